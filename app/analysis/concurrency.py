"""Runs parts of an analysis side by side in threads, and hands their events to the one generator that yields them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from app.core.domain import AnalysisEvent
from app.core.errors import Cancelled

T = TypeVar("T")
Emit = Callable[[AnalysisEvent], None]
_POLL_SECONDS = 0.1


class Background:
    """Threads with one queue of events.

    `cancel` is the user's; `stop` is what the threads watch: it is set when the `with` block ends in any way.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self.cancel = cancel
        self.stop = threading.Event()
        self._events: queue.SimpleQueue[AnalysisEvent] = queue.SimpleQueue()

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()

    def start(self, name: str, work: Callable[[Emit], T]) -> Future[T]:
        """Run `work(emit)` in a daemon thread; its result or exception is in the Future."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(self._events.put))
            except BaseException as error:  # noqa: BLE001  # carried to whoever waits for the result
                future.set_exception(error)

        threading.Thread(target=run, name=f"analysis-{name}", daemon=True).start()
        return future

    def drain(self) -> Iterator[AnalysisEvent]:
        """The events that are there now, without waiting."""
        while not self._events.empty():
            yield self._events.get()

    def until(self, future: Future[Any]) -> Iterator[AnalysisEvent]:
        """Events as they come, until `future` is done. Raises Cancelled within 0.1 s of a cancel, after what came
        before it: an answer that is there is not thrown away.
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


def attend(future: Future[T], check: Callable[[], None]) -> None:
    """Wait until `future` is done; `check` is called ten times a second and raises where there is no use in waiting."""
    while not future.done():
        check()
        wait([future], timeout=_POLL_SECONDS)
