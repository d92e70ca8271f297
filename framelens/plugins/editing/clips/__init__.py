"""Clips: any range of a video as a file of its own, copied from a key frame on or encoded again to the frame."""
