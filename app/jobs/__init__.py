"""Jobs outlive the page that started them."""

from app.jobs.queue import WORKERS, Jobs
from app.jobs.room import EngineRoom, Switch
from app.jobs.sameness import Sameness
from app.jobs.snapshot import JobSnapshot
from app.jobs.worker import Run

__all__ = ["WORKERS", "EngineRoom", "JobSnapshot", "Jobs", "Run", "Sameness", "Switch"]
