"""Subtitle files: SubRip and WebVTT."""
