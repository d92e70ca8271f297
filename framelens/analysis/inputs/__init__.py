"""Inputs of a run: extracted frames, from the cache or the decoder, and the transcript."""
