"""Subtitles in and beside a video."""
