"""Benchmarks of the plugin that searches by picture and meaning."""
