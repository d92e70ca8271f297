"""One piece of work at a time, in a thread of its own, for a page that comes and looks: how far it is, how it ended.

It goes on whether or not anybody looks, and ends with the program.
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
class Errand(Generic[T]):
    """How the work about `model` stands. `result` is there once it is done, `error` where it failed."""

    model: str
    state: Literal["running", "done", "failed", "cancelled"]
    progress: EngineProgress | None = None
    result: T | None = None
    error: AppError | None = None


class Errands(Generic[T]):
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Errand[T] | None = None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> Errand[T] | None:
        """The one that runs, or the last one; None before the first."""
        return self._now

    @property
    def runs(self) -> bool:
        """Whether one is under way."""
        now = self._now
        return now is not None and now.state == "running"

    def begin(self, model: str, work: Work[T]) -> None:
        """Do `work(on_progress, cancel)`. Raises AppError("errand_under_way") while another one runs."""
        with self._lock:
            if self._now and self._now.state == "running":
                raise AppError("errand_under_way", model=self._now.model)
            self._now, self._cancel = Errand(model, "running"), threading.Event()
            self._thread = threading.Thread(target=self._run, args=(work, self._cancel), name="errand", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Give up the one that runs; it is told as cancelled when nothing of it is left."""
        self._cancel.set()

    def close(self) -> None:
        """Give up, and wait until nothing of it runs."""
        self.cancel()
        if self._thread:
            self._thread.join()

    def _run(self, work: Work[T], cancel: threading.Event) -> None:
        try:
            result = work(lambda progress: self._tell(progress=progress), cancel)
        except Cancelled:
            self._tell(state="cancelled")
        except Exception as error:
            log.warning("an errand failed", exc_info=True)
            ours = error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            self._tell(state="failed", error=ours)
        else:
            self._tell(state="done", result=result)

    def _tell(self, **news: object) -> None:
        with self._lock:
            assert self._now
            self._now = replace(self._now, **news)  # type: ignore[arg-type]
