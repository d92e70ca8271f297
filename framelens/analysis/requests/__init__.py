"""Requests to the engine: built, scheduled, executed and reduced to a report."""
