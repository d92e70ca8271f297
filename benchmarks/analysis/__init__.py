"""Benchmarks of whole analyses: the asking against raw requests, the first text, memory, and the engine's caches."""
