"""Keyframe selection: candidates, novelty, selection and the extraction pipeline."""
