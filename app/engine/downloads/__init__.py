"""Model downloads from hubs."""
