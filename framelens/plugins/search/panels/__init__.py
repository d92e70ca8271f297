"""Parts of pages of the plugin."""
