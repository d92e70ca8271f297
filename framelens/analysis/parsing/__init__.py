"""Parsing of model answers into findings, chapters and texts."""
