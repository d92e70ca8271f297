"""Monitor of the machine, GPUs, engine and job queue: the last minutes, one sample every two seconds.

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
from typing import TYPE_CHECKING

from app.core import AppError

if TYPE_CHECKING:
    from app.engine.monitoring.engine_metrics import EngineLoad, LoadAbsence
    from app.engine.monitoring.system_metrics import GpuReader, GpuSamples, SystemSample

PERIOD_SECONDS = 2.0
KEPT_SECONDS = 600.0
WATCHED_SECONDS = 30.0
FIRST_SECONDS = 1.0
"""Longest wait of the first `watch` for a sample. This and the three above were chosen by hand; not tuned."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """Measurements at one moment, `at` seconds of time.monotonic(). `jobs`: (number running, number waiting)."""

    at: float
    machine: SystemSample
    cards: GpuSamples
    load: EngineLoad | LoadAbsence
    jobs: tuple[int, int]


class Monitor:
    """One monitor, shared by all viewers.

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
        self._thread: threading.Thread | None = None
        self._watched_at = 0.0
        self._is_closed = False

    def watch(self) -> tuple[Sample, ...]:
        """Return the samples of the last KEPT_SECONDS, oldest first, and keep sampling alive.

        An empty result means that sampling failed, or that the monitor is closed.
        """
        with self._changed:
            self._watched_at = time.monotonic()
            while self._samples and self._samples[0].at < self._watched_at - KEPT_SECONDS:
                self._samples.popleft()
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._samples or self._thread is None, FIRST_SECONDS)
            return tuple(self._samples)

    @property
    def is_measuring(self) -> bool:
        """Return whether samples are being taken."""
        return self._thread is not None

    def close(self) -> None:
        """Stop sampling; return when the thread has ended."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        from app.engine.monitoring.system_metrics import GpuReader, SystemMetricsReader

        machine, cards = SystemMetricsReader(), self._cards or GpuReader()
        try:
            while self._is_watched():
                due = time.monotonic() + self._period_seconds
                try:
                    self._store(Sample(time.monotonic(), machine(), cards(), self._load(), self._jobs()))
                except AppError:
                    log.warning("a sample was left out", exc_info=True)
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closed, max(0.0, due - time.monotonic()))
        except Exception:
            log.exception("measuring failed; it is not tried again")
            with self._changed:
                self._is_closed = True
        finally:
            cards.close()
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _store(self, sample: Sample) -> None:
        with self._changed:
            self._samples.append(sample)
            self._changed.notify_all()

    def _is_watched(self) -> bool:
        with self._changed:
            return not self._is_closed and time.monotonic() - self._watched_at < self._watched_seconds
