"""Monitor of the machine, GPUs, engine and job queue: the last minutes, a sample every two seconds.

Sampling is driven by demand: `watch` returns the samples and keeps sampling alive. WATCHED_SECONDS after the last
`watch` the thread ends and NVML is released, so an idle server measures nothing. The gap shows in the samples' times.
Samples are kept for KEPT_SECONDS.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from framelens import AppError
from framelens.plugin import LOCAL_USER, as_user
from framelens.plugin.machine import GpuReader, GpuSamples
from framelens.plugin.processes import BackgroundTask
from framelens.plugins.monitor.engine_metrics import EngineLoad, EngineMetricsReader, LoadAbsence
from framelens.plugins.monitor.machine_metrics import SystemMetricsReader, SystemSample

if TYPE_CHECKING:
    from framelens.plugin import Services

PERIOD_SECONDS = 2.0
KEPT_SECONDS = 600.0
WATCHED_SECONDS = 30.0
FIRST_SECONDS = 1.0
"""Longest wait of the first `watch` for a sample."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """Measurements at a moment, `at` seconds of time.monotonic(). `jobs`: (number running, number waiting)."""

    at: float
    machine: SystemSample
    cards: GpuSamples
    load: EngineLoad | LoadAbsence
    jobs: tuple[int, int]


class Monitor:
    """Monitor shared by all viewers.

    Args:
        load: Reads the engine's load.
        jobs: Counts the (running, waiting) jobs.
    """

    def __init__(
        self,
        load: Callable[[], EngineLoad | LoadAbsence],
        jobs: Callable[[], tuple[int, int]],
        *,
        cards: GpuReader | None = None,
        period_seconds: float = PERIOD_SECONDS,
        watched_seconds: float = WATCHED_SECONDS,
    ) -> None:
        self._load = load
        self._jobs = jobs
        self._cards = cards
        self._period_seconds = period_seconds
        self._watched_seconds = watched_seconds
        self._samples: deque[Sample] = deque(maxlen=int(KEPT_SECONDS / period_seconds))
        self._changed = threading.Condition()
        self._task: BackgroundTask[None, None] = BackgroundTask("monitor")
        self._watched_at = 0.0

    def watch(self) -> tuple[Sample, ...]:
        """Return the samples of the last KEPT_SECONDS, oldest first, and keep sampling alive.

        An empty result means that the monitor has failed or is closed.
        """
        with self._changed:
            self._watched_at = time.monotonic()
            while self._samples and self._samples[0].at < self._watched_at - KEPT_SECONDS:
                self._samples.popleft()
            if not self.has_failed:
                self._task.start(self._measure)
            if self.is_measuring:
                self._changed.wait_for(lambda: self._samples or self.has_failed, FIRST_SECONDS)
            return tuple(self._samples)

    @property
    def is_measuring(self) -> bool:
        """Return whether samples are being taken."""
        return self._task.is_running

    @property
    def has_failed(self) -> bool:
        """Return whether sampling has failed; it is not tried again."""
        return self._task.error is not None

    def close(self) -> None:
        """Stop sampling; return when the thread has ended."""
        self._task.close()

    def _measure(self, _: Callable[[None], None], cancel: threading.Event) -> None:
        machine, cards = SystemMetricsReader(), self._cards or GpuReader()
        try:
            while not cancel.is_set() and time.monotonic() - self._watched_at < self._watched_seconds:
                due = time.monotonic() + self._period_seconds
                try:
                    sample = Sample(time.monotonic(), machine(), cards(), self._load(), self._jobs())
                except AppError:
                    log.warning("a sample was left out", exc_info=True)
                else:
                    with self._changed:
                        self._samples.append(sample)
                        self._changed.notify_all()
                cancel.wait(max(0.0, due - time.monotonic()))
        finally:
            cards.close()


def monitor_of(services: Services) -> Monitor:
    """Return the monitor of these services, which is closed with them."""
    return services.part("monitor", lambda opened: Monitor(_LoadInUse(opened), partial(_counts, opened)))


class _LoadInUse:
    """Load of the engine in use, whichever it is."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._session: object = None
        self._reader: EngineMetricsReader | None = None

    def __call__(self) -> EngineLoad | LoadAbsence:
        session = self._services.switcher.session
        if self._reader is None or session is not self._session:
            settings = session.settings
            self._reader = EngineMetricsReader(session.engine, base_urls=settings.base_urls, api_key=settings.api_key)
            self._session = session
        return self._reader()


def _counts(services: Services) -> tuple[int, int]:
    """Count the jobs of all users that run in any process on this data folder, and that wait in this process."""
    with as_user(LOCAL_USER):
        return len(services.jobs.all_running()), len(services.jobs.waiting())
