"""Sound of a video in pieces for a speech model."""
