"""Background threads of an analysis, with one queue for their events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

from app.core import AnalysisEvent, Cancelled, in_thread

T = TypeVar("T")
Emit = Callable[[AnalysisEvent], None]
_POLL_SECONDS = 0.1


class ConcurrentEvents:
    """Context manager for daemon threads that share one event queue.

    Attributes:
        cancel: Set by the user.
        stop: Watched by the threads; set when the `with` block ends in any way.
        apply: Called with each event, in the thread that emits it.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self.cancel = cancel
        self.apply: Emit = lambda event: None
        self.stop = threading.Event()
        self._events: queue.SimpleQueue[AnalysisEvent] = queue.SimpleQueue()

    def __enter__(self) -> ConcurrentEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()

    def start(self, name: str, work: Callable[[Emit], T]) -> Future[T]:
        """Run `work(emit)` in a daemon thread and return a Future with its result or exception."""
        return in_thread(f"analysis-{name}", partial(work, self._emit))

    def _emit(self, event: AnalysisEvent) -> None:
        self.apply(event)
        self._events.put(event)

    def drain(self) -> Iterator[AnalysisEvent]:
        """Yield the queued events without waiting."""
        while not self._events.empty():
            yield self._events.get()

    def until(self, future: Future[Any]) -> Iterator[AnalysisEvent]:
        """Yield events as they arrive until `future` is done.

        Raises:
            Cancelled: Within 0.1 s of a cancel, after the queued events, so that no finished answer is lost.
        """
        while not future.done():
            if self.cancel.is_set():
                yield from self.drain()
                raise Cancelled
            try:
                yield self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
        yield from self.drain()


def wait_for(future: Future[T], check: Callable[[], None]) -> None:
    """Wait until `future` is done, calling `check`, which may raise to stop waiting, ten times a second."""
    while not future.done():
        check()
        wait([future], timeout=_POLL_SECONDS)
