"""Choice of keyframes: candidates, novelty, coverage and the extraction pipeline."""
