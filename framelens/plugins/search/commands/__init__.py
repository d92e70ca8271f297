"""Command of the plugin."""
