"""Commands of the corrections plugin."""
