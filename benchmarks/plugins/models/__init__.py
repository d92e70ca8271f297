"""Load on an engine with dummy weights."""
