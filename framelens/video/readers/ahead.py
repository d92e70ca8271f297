"""Iteration of a reader's frames in a thread of its own, which decodes the next while the last are examined."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_T = TypeVar("_T")
_DEPTH = 1
"""Most items that wait, besides an item that is examined and an item that is made."""


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield the items, prefetched in a thread; an exception of the iterator is raised here.

    Closing the generator ends the thread.
    """
    # These queues are much cheaper than a queue with a limit; a place is taken for every item that waits.
    ready: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()
    places: queue.SimpleQueue[bool] = queue.SimpleQueue()
    for _ in range(_DEPTH):
        places.put(True)
    is_closed = threading.Event()

    def work() -> None:
        try:
            for item in items:
                places.get()
                if is_closed.is_set():
                    return
                ready.put((item, None))
            ready.put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - raised by the consumer
            ready.put((None, error))

    thread = threading.Thread(target=work, name="decoding", daemon=True)
    thread.start()
    try:
        while True:
            item, end = ready.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            places.put(True)
            yield item  # type: ignore[misc]
    finally:
        is_closed.set()
        places.put(True)
        thread.join()
