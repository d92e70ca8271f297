"""Background thread that derives missing data from stored jobs, one job after the other."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from app.core.errors import AppError

log = logging.getLogger(__name__)


class Backfill(ABC):
    """A backfill of data derived from jobs. Safe to use from several threads.

    `num_left` is the number of jobs still to do, `error` the reason why the last run ended early.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_closing = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self.num_left = 0
        self.error: AppError | None = None

    @abstractmethod
    def _missing(self) -> Sequence[str]:
        """List the ids of the jobs that lack the data."""

    @abstractmethod
    def _make(self, job_id: str) -> None:
        """Make the data for one job. Whatever this raises ends the run."""

    def begin(self) -> None:
        """Start a thread that catches up, unless nothing is missing or one is running."""
        if self._thread is None or not self._thread.is_alive():
            self.num_left = len(self._missing())
            if self.num_left:
                self._thread = threading.Thread(target=self._catch_up_and_log, name=self._name, daemon=True)
                self._thread.start()

    def catch_up(self) -> None:
        """Make all missing data in this thread. Data that was made stays, however the run ends.

        Raises:
            AppError: The data of a job could not be made; see the subclass.
        """
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
        """Stop after the current job and wait up to 10 seconds for the thread."""
        self._is_closing.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _catch_up_and_log(self) -> None:
        try:
            self.catch_up()
        except AppError as error:
            log.warning("%s: not all could be made: %s", self._name, error)
            self.error = error
        except Exception:
            log.exception("%s: not all could be made", self._name)
