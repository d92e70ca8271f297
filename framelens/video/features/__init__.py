"""Features of decoded pictures: signatures, metrics, colours, segments and text.

What this room does not do:

- Handwriting, and text in scripts that the recognition model lacks.
- Text that moves, which is read where it rests.
"""
