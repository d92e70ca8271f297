"""Models that find no text, for tests that are not about text (fixture `no_text_reading`).

They have a single node, so that they load like real models: it subtracts the picture from itself.
"""
