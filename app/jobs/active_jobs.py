"""Jobs that wait or run in this process, in order of submission."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.analysis.task import NO_EARLIER_RESULTS, Control, EarlierResults
from app.core.domain import AnalysisEvent
from app.jobs.snapshot import JobSnapshot

Listener = Callable[[AnalysisEvent], None]
_POLL_SECONDS = 1.0
"""How often a waiting worker checks for shutdown. Chosen by hand; not tuned."""


@dataclass
class ActiveJob:
    """A job that waits or runs in this process.

    `same` is its deduplication key, "" while that is unknown; `listener` is called with every event.
    """

    job: JobSnapshot
    control: Control
    done: EarlierResults = NO_EARLIER_RESULTS
    is_running: bool = False
    same: str = ""
    listener: Listener | None = None


class ActiveJobs:
    """Thread-safe collection of the jobs that wait or run in this process.

    Nothing in it changes while a thread holds `condition`.
    """

    def __init__(self) -> None:
        self.condition = threading.Condition(threading.RLock())
        self._live: dict[str, ActiveJob] = {}

    def add(self, live: ActiveJob) -> None:
        """Add a job and wake the workers."""
        with self.condition:
            self._live[live.job.id] = live
            self.condition.notify_all()

    def get(self, job_id: str) -> ActiveJob | None:
        """Get a job by id, or None if it neither waits nor runs here."""
        with self.condition:
            return self._live.get(job_id)

    def all(self) -> list[ActiveJob]:
        """List all jobs in order of submission."""
        with self.condition:
            return list(self._live.values())

    def waiting(self) -> list[ActiveJob]:
        """List the waiting jobs in the order in which they will run."""
        waiting = [one for one in self.all() if not one.is_running]
        return sorted(waiting, key=lambda one: -one.job.priority)  # stable: first in, first out within a priority

    def start_next(self, is_closing: threading.Event) -> ActiveJob | None:
        """Wait for the next job and mark it as running.

        Returns:
            The job, or None once `is_closing` is set.
        """
        with self.condition:
            while not is_closing.is_set():
                if turn := self.waiting():
                    turn[0].is_running = True
                    return turn[0]
                self.condition.wait(_POLL_SECONDS)
        return None

    def change(self, live: ActiveJob, change: Callable[[JobSnapshot], JobSnapshot]) -> None:
        """Replace the job's snapshot by `change(snapshot)`."""
        with self.condition:
            live.job = change(live.job)

    def drop(self, job_id: str) -> None:
        """Remove a job if it is here."""
        with self.condition:
            self._live.pop(job_id, None)

    def cancel_all(self) -> None:
        """Ask all jobs to stop, and wake the workers that wait for one."""
        with self.condition:
            for live in self._live.values():
                live.control.cancel.set()
            self.condition.notify_all()
