"""Subcommands and helpers of `framelens models`, and the question about downloads."""
