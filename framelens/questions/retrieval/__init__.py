"""Frames chosen for a question: its kind, candidates from the survey, their scores, and the choice among them."""
