"""Queue of analyses: submission, worker threads, stored snapshots, deduplication and engine switching.

A job outlives the page that started it. Import from here what other packages use.
"""

from app.jobs.engine_switcher import EngineSwitch, EngineSwitcher
from app.jobs.job_repository import Deduplicator
from app.jobs.queue import WORKERS, Jobs
from app.jobs.snapshot import JobSnapshot
from app.jobs.worker import Run

__all__ = ["WORKERS", "Deduplicator", "EngineSwitch", "EngineSwitcher", "JobSnapshot", "Jobs", "Run"]
