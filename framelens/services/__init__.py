"""Composition of the application's parts from its settings."""
