"""Conversations about an analysed video: their values, the request for a question, the streamed answer, exports.

What this room does not do:

- Questions across a whole library, of which the words are searched instead.
- Sounds, except for speech that was transcribed.
- Counting within a frame: that is the model's word.
"""
