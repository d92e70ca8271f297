"""Commands of the plugin, and what they share."""
