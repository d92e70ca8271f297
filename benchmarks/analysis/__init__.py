"""Benchmarks of whole analyses: requests against raw ones, time to the first text, memory, and the engine's caches."""
