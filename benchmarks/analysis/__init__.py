"""Benchmarks of whole analyses: throughput over raw requests, time to the first text, memory, and engine caches."""
