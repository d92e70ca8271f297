"""Texts of this plugin."""
