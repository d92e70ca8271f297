"""Jobs outlive the page that started them."""

from app.jobs.queue import Jobs, Run
from app.jobs.sameness import Sameness
from app.jobs.snapshot import JobSnapshot

__all__ = ["JobSnapshot", "Jobs", "Run", "Sameness"]
