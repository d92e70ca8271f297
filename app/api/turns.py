"""Turns at something that serves one request at a time, and is slow to change from one file to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

_MOST_IN_A_ROW = 16
"""Turns of one key while others wait: the filmstrip of a wide page. Chosen by hand; not tuned."""


class Turns:
    """Let requests wait without a thread, one at a time; those with the key of the last one go first.

    Not thread-safe: for use in one event loop.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Hashable, asyncio.Future[None]]] = []
        self._is_taken = False
        self._last: Hashable = None
        self._in_a_row = 0

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and end it when the context is left."""
        if self._is_taken:
            waiting = key, asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting[1]
            except asyncio.CancelledError:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)
                else:  # its turn had just come
                    self._pass_on()
                raise
        self._is_taken = True
        self._in_a_row = self._in_a_row + 1 if key == self._last else 1
        self._last = key
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the turn to who waits longest with the same key, or, if it had enough turns, with another."""
        prefers_same = self._in_a_row < _MOST_IN_A_ROW
        order = sorted(self._waiting, key=lambda waiting: (waiting[0] == self._last) != prefers_same)
        self._is_taken = bool(order)
        if order:
            self._waiting.remove(order[0])
            order[0][1].set_result(None)
