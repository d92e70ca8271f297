"""Keyframe selection: candidates, novelty, coverage and the extraction pipeline."""
