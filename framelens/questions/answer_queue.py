"""Fair queue before an engine: few answers at a time, users and conversations in turn, and positions that are known."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from framelens.core.errors import Cancelled
from framelens.core.roles import current_user
from framelens.questions.conversation import Queued

if TYPE_CHECKING:
    from framelens.engine.base import Endpoint

_POLL_SECONDS = 0.05
"""Longest wait before a cancel is noticed."""
MOST_ANSWERED_OF_USER = 4
"""Most questions of a user that an engine answers at a time, where there are accounts: an engine that answers
sequentially, or whose cache is smaller than it reports, has a queue of its own, in which users take no turns."""


class QueueEntry:
    """Question that waits in a queue or is being answered."""

    def __init__(self, queue: AnswerQueue, conversation_id: str) -> None:
        self._queue = queue
        self.conversation_id = conversation_id
        self.user_id = current_user().id

    def wait(self, most: int, cancel: threading.Event) -> Generator[Queued, None, None]:
        """Wait until fewer than `most` answers run, few of the user's, and no question is before it.

        Yields:
            The position whenever it changes, 0 last.

        Raises:
            Cancelled: `cancel` was set.
        """
        last = None
        while (position := self._queue.advance(self, most)) > 0:
            if cancel.is_set():
                raise Cancelled
            if position != last:
                last = position
                yield Queued(position)
        yield Queued(0)


class AnswerQueue:
    """Questions that wait for an engine, and questions being answered. Safe to use from several threads.

    The user with the fewest running answers is next, with the oldest question of the user's conversation with the
    fewest running answers: neither a user nor a conversation fills the queue, nor does a user fill the engine.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: list[QueueEntry] = []
        self._waiting: list[QueueEntry] = []

    @contextmanager
    def joined(self, conversation_id: str) -> Iterator[QueueEntry]:
        """Join the queue, and leave it at the end of this context."""
        entry = QueueEntry(self, conversation_id)
        with self._changed:
            self._waiting.append(entry)
        try:
            yield entry
        finally:
            with self._changed:
                (self._running if entry in self._running else self._waiting).remove(entry)
                self._changed.notify_all()

    def advance(self, entry: QueueEntry, most: int) -> int:
        """Let the question be answered if its turn has come, else wait shortly; return its position, 0 in its turn."""
        with self._changed:
            if (number := self._number(entry)) > 1 or len(self._running) >= max(most, 1) or self._has_enough(entry):
                self._changed.wait(_POLL_SECONDS)
                return number
            self._waiting.remove(entry)
            self._running.append(entry)
            self._changed.notify_all()
            return 0

    def _has_enough(self, entry: QueueEntry) -> bool:
        """Return whether so many questions of this user are being answered that others wait for the next place."""
        running = sum(other.user_id == entry.user_id for other in self._running)
        return bool(entry.user_id) and running >= MOST_ANSWERED_OF_USER

    def _number(self, entry: QueueEntry) -> int:
        """Return the position among the waiting questions, from 1."""
        order = self._in_turn(self._waiting, lambda other: other.conversation_id)
        return self._in_turn(order, lambda other: other.user_id).index(entry) + 1

    def _in_turn(self, waiting: list[QueueEntry], whose: Callable[[QueueEntry], str]) -> list[QueueEntry]:
        """Return the questions in rounds, each with a question per `whose`; running answers count as earlier rounds."""
        before = Counter(map(whose, self._running))
        rounds: dict[QueueEntry, int] = {}
        for entry in waiting:
            rounds[entry] = before[whose(entry)]
            before[whose(entry)] += 1
        return sorted(waiting, key=lambda entry: rounds[entry])


class AnswerQueues:
    """The queue before each engine, and before each copy of the model in an engine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[tuple[str, int | None], AnswerQueue] = {}

    def before(self, endpoint: Endpoint) -> AnswerQueue:
        """Return the queue before this engine."""
        with self._lock:
            return self._queues.setdefault((endpoint.base_url, endpoint.rank), AnswerQueue())
