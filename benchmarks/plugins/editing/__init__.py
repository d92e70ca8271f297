"""Clips compared with their videos, picture by picture: `python -m benchmarks.plugins.editing`."""
