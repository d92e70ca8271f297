"""Benchmarks of plugins, a folder each, as in framelens/plugins."""
