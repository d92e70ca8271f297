"""Jobs outlive the page that started them."""

from app.jobs.engine_switcher import EngineRoom, Switch
from app.jobs.job_repository import Sameness
from app.jobs.queue import WORKERS, Jobs
from app.jobs.snapshot import JobSnapshot
from app.jobs.worker import Run

__all__ = ["WORKERS", "EngineRoom", "JobSnapshot", "Jobs", "Run", "Sameness", "Switch"]
