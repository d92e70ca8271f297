"""Drawings of reports: the timeline chart, the contact sheet and the fonts they use."""
