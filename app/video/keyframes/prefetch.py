"""From an iterator to the same one, walked some steps ahead in a thread of its own.

Decoding lets go of the interpreter, so the next frames are decoded while the last one is looked at.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_T = TypeVar("_T")
_DEPTH = 6
"""Frames that wait at most: enough for a frame that is looked at for long, little against what the decoder holds."""
_POLL_SECONDS = 0.1


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The same items in the same order, and the same exception where one ends them. Closing it ends the thread."""
    ready: queue.Queue[tuple[_T | None, BaseException | None]] = queue.Queue(_DEPTH)
    is_closed = threading.Event()

    def put(item: _T | None, end: BaseException | None) -> None:
        while not is_closed.is_set():
            try:
                ready.put((item, end), timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item, None)
                if is_closed.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:  # noqa: BLE001 - handed on to who walks
            put(None, error)

    thread = threading.Thread(target=work, name="decoding", daemon=True)
    thread.start()
    try:
        while True:
            item, end = ready.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]
    finally:
        is_closed.set()
        thread.join()
