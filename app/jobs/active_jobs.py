"""The jobs that wait or run in this program, in the order in which they came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.analysis.task import NOTHING_DONE, Control, Done
from app.core.domain import AnalysisEvent
from app.jobs.snapshot import JobSnapshot

Listener = Callable[[AnalysisEvent], None]
_POLL_SECONDS = 1.0


@dataclass
class Live:
    """A job that waits or runs here. `same` is the key of analyses that have all in common with it, "" while nobody
    knows; `listener` is called with every event.
    """

    job: JobSnapshot
    control: Control
    done: Done = NOTHING_DONE
    is_running: bool = False
    same: str = ""
    listener: Listener | None = None


class InHand:
    """May be used from several threads; nothing of it changes while somebody has `held`."""

    def __init__(self) -> None:
        self.held = threading.Condition(threading.RLock())
        self._live: dict[str, Live] = {}

    def add(self, live: Live) -> None:
        with self.held:
            self._live[live.job.id] = live
            self.held.notify_all()

    def get(self, job_id: str) -> Live | None:
        with self.held:
            return self._live.get(job_id)

    def all(self) -> list[Live]:
        with self.held:
            return list(self._live.values())

    def waiting(self) -> list[Live]:
        """In the order in which their turn comes."""
        waiting = [one for one in self.all() if not one.is_running]
        return sorted(waiting, key=lambda one: -one.job.priority)  # stable: those of one priority as they came

    def begin(self, is_closing: threading.Event) -> Live | None:
        """The next one, which runs from now on, once there is one; None when `is_closing` is set."""
        with self.held:
            while not is_closing.is_set():
                if turn := self.waiting():
                    turn[0].is_running = True
                    return turn[0]
                self.held.wait(_POLL_SECONDS)
        return None

    def change(self, live: Live, change: Callable[[JobSnapshot], JobSnapshot]) -> None:
        with self.held:
            live.job = change(live.job)

    def drop(self, job_id: str) -> None:
        with self.held:
            self._live.pop(job_id, None)

    def cancel_all(self) -> None:
        """Have all of them stop, and wake whoever waits for one."""
        with self.held:
            for live in self._live.values():
                live.control.cancel.set()
            self.held.notify_all()
