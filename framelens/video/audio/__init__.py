"""Sound of a video in pieces for a speech model.

What this room does not do:

- Several sound tracks: the first is heard.
- Music, noises or who speaks: a plugin separates speakers.
"""
