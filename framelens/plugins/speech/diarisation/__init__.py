"""Separating speakers in a worker process: its messages and its program."""
