"""What is made of jobs beside them, one after the other, in a thread of its own, for those that lack it."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from app.core.errors import AppError

log = logging.getLogger(__name__)


class CatchingUp(ABC):
    """`num_left` tells how it goes, `error` why the last attempt ended. Safe to use from several threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_closing = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self.num_left = 0
        self.error: AppError | None = None

    @abstractmethod
    def _missing(self) -> Sequence[str]:
        """The ids of the jobs that lack it."""

    @abstractmethod
    def _make(self, job_id: str) -> None:
        """Make it for one. Raises what ends the attempt."""

    def begin(self) -> None:
        """Catch up in a thread, unless nothing is missing or one is at it."""
        if self._thread is None or not self._thread.is_alive():
            self.num_left = len(self._missing())
            if self.num_left:
                self._thread = threading.Thread(target=self._catch_up_quietly, name=self._name, daemon=True)
                self._thread.start()

    def catch_up(self) -> None:
        """Make all that is missing; what was made stays, whatever ends this. Raises what making it raises."""
        with self._one_at_a_time:
            missing = self._missing()
            for place, job_id in enumerate(missing):
                self.num_left = len(missing) - place
                if self._is_closing.is_set():
                    return
                self._make(job_id)
            self.num_left = 0
            self.error = None

    def close(self) -> None:
        self._is_closing.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _catch_up_quietly(self) -> None:
        try:
            self.catch_up()
        except AppError as error:
            log.warning("%s: not all could be made: %s", self._name, error)
            self.error = error
        except Exception:
            log.exception("%s: not all could be made", self._name)
