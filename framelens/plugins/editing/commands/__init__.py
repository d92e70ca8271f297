"""Commands of the editing plugin."""
