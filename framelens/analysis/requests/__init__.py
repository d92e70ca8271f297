"""Requests to the engine: built, scheduled, executed and reduced to one report."""
