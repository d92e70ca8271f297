"""Sound of a video in pieces for a speech model.

What this room does not do:

- Several sound tracks at a time: one is heard, that of the wanted language where there is one.
- Music, noises or who speaks: a plugin separates speakers.
"""
