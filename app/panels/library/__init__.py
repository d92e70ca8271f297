"""Panels of the Library page."""
