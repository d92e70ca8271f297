"""Subtitles in and beside a video.

What this room does not do:

- Translation, or correction of words.
- Pictures of text, such as the subtitles of DVDs: text on the screen is read from the frames.
"""
