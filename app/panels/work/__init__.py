"""Panels of the work list in the sidebar: what waits, runs and was done."""
