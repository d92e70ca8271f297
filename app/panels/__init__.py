"""Panels of the pages, grouped by page."""
