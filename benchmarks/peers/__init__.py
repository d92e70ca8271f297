"""Other tools that choose frames or find shots, each run in an environment of its own with its own settings."""
