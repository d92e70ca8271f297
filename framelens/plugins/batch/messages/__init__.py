"""Texts of the plugin."""
