"""Benchmark of the HTTP API."""
