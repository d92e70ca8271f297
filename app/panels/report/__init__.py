"""Panels of a finished report."""
