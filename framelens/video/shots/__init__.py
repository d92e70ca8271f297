"""Shot boundaries: cuts, fades, dissolves and wipes.

What this room does not do:

- Dissolves and fades that last longer than three seconds.
- Boundaries between two pictures that look alike.
"""
