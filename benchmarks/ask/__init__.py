"""Questions about videos through the real engine; see `__main__`."""
