"""Model downloads from the hub."""
