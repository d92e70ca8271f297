"""Queue of analyses: submission, worker threads, stored snapshots, deduplication and engine switching.

A job outlives the page that started it.

What this room does not do:

- Schedules: jobs run in their order, which a user may change.
- Work on several machines: the plugin `batch` feeds Ray.
"""
