"""Queue of requests for a resource that only a few may use at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")


class TurnQueue(Generic[KeyT]):
    """Let requests wait for their turn without a thread.

    Not thread-safe: for use in a single event loop.

    Attributes:
        holders: The keys of the requests whose turn it is.
    """

    def __init__(self, most: int) -> None:
        """Admit at most `most` requests at a time."""
        self._most = most
        self._places: list[tuple[KeyT, asyncio.Future[None]]] = []
        self.holders: list[KeyT] = []

    @property
    def waiting(self) -> list[KeyT]:
        """Return the keys of the requests that wait, in the order in which they came."""
        return [key for key, future in self._places if not future.cancelled()]

    @asynccontextmanager
    async def turn(self, key: KeyT) -> AsyncIterator[None]:
        """Wait for a turn, and end it when the context is left; raises the errors of `check`."""
        self.check(key)
        if len(self.holders) < self._most:
            self._begin(key)
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._end_turn(key)

    def check(self, key: KeyT) -> None:
        """Refuse a request by raising an error, before it waits."""

    def choose(self, waiting: Sequence[KeyT]) -> int:
        """Return the place in `waiting`, which isn't empty, of the request whose turn is next."""
        raise NotImplementedError

    def note(self, key: KeyT) -> None:
        """Record that a turn begins; subclasses override this."""

    def _begin(self, key: KeyT) -> None:
        self.holders.append(key)
        self.note(key)

    async def _wait(self, key: KeyT) -> None:
        ticket = key, asyncio.get_running_loop().create_future()
        self._places.append(ticket)
        try:
            await ticket[1]
        except asyncio.CancelledError:
            if ticket[1].cancelled():
                self._places.remove(ticket)
            else:  # its turn had just come
                self._end_turn(key)
            raise

    def _end_turn(self, key: KeyT) -> None:
        self.holders.remove(key)
        tickets = [ticket for ticket in self._places if not ticket[1].cancelled()]
        if tickets:
            chosen = tickets[self.choose([key for key, _ in tickets])]
            self._places.remove(chosen)
            self._begin(chosen[0])
            chosen[1].set_result(None)
