"""Panels of the Analyse page before and during an analysis."""
