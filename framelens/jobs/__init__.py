"""Queue of analyses: submission, worker threads, stored snapshots, deduplication and engine switching.

A job outlives the page that started it.
"""
