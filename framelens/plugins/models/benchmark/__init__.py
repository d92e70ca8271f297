"""Benchmarks of models on this machine, with dummy weights, before they are downloaded."""
