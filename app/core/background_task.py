"""Cancellable background task, one at a time, with progress and result for polling.

It runs in its own thread whether or not it is polled, and ends with the program.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from app.core.domain import EngineProgress
from app.core.errors import AppError, Cancelled

log = logging.getLogger(__name__)
T = TypeVar("T")
Listener = Callable[[EngineProgress], None]
Work = Callable[[Listener, threading.Event], T]


@dataclass(frozen=True)
class BackgroundTask(Generic[T]):
    """State of the task about `model`: `result` is set once it is done, `error` if it failed."""

    model: str
    state: Literal["running", "done", "failed", "cancelled"]
    progress: EngineProgress | None = None
    result: T | None = None
    error: AppError | None = None


class BackgroundTaskRunner(Generic[T]):
    """Runner of one background task at a time. All methods are thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: BackgroundTask[T] | None = None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> BackgroundTask[T] | None:
        """Return the running task, or the last one; None before the first."""
        return self._now

    @property
    def runs(self) -> bool:
        """Return whether a task is running."""
        now = self._now
        return now is not None and now.state == "running"

    def begin(self, model: str, work: Work[T]) -> None:
        """Start `work(on_progress, cancel)` in a thread.

        Args:
            model: The model that the task is about.
            work: Returns the result; should raise Cancelled soon after `cancel` is set.

        Raises:
            AppError: "check_under_way" while another task runs.
        """
        with self._lock:
            if self._now and self._now.state == "running":
                raise AppError("check_under_way", model=self._now.model)
            self._now, self._cancel = BackgroundTask(model, "running"), threading.Event()
            self._thread = threading.Thread(target=self._run, args=(work, self._cancel), name="errand", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Request cancellation; the state becomes "cancelled" when the task has ended."""
        self._cancel.set()

    def close(self) -> None:
        """Cancel the task and wait until it has ended."""
        self.cancel()
        if self._thread:
            self._thread.join()

    def _run(self, work: Work[T], cancel: threading.Event) -> None:
        try:
            result = work(lambda progress: self._update(progress=progress), cancel)
        except Cancelled:
            self._update(state="cancelled")
        except Exception as error:
            log.warning("an errand failed", exc_info=True)
            ours = error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            self._update(state="failed", error=ours)
        else:
            self._update(state="done", result=result)

    def _update(self, **changes: object) -> None:
        with self._lock:
            assert self._now
            self._now = replace(self._now, **changes)  # type: ignore[arg-type]
