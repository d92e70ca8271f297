"""Scheduler of the requests about parts: as many at once as the engine runs, each when its context is complete.

The context that a part gets from earlier ones depends on the layout alone, never on the order of answers: the same run
sends the same requests. A part that fails doesn't stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any

from app.analysis.requests.request_builder import (
    NO_CONTEXT,
    CarriedContext,
    Introduction,
    RequestChunk,
    build_context,
    required_parts,
)
from app.analysis.requests.request_executor import Emit, EngineEnded
from app.core import (
    AppError,
    Cancelled,
    ChunkResult,
    ContextExceeded,
    EngineBrokeOff,
    EngineBusy,
    EngineError,
    EngineTimeout,
    ModelNotFound,
    Notice,
    Noticed,
    clock,
)
from app.i18n import as_notice
from app.llm.error_mapping import TooManyPictures

ENDS_ALL = (Cancelled, EngineEnded, EngineBrokeOff, EngineTimeout, EngineBusy, ModelNotFound)
"""Errors that end the run: asking about another part would be useless."""
_TOO_MUCH = (ContextExceeded, TooManyPictures)
_MOST_FAILURES = 3
"""Number of consecutive failures that ends the run. Chosen by hand; not tuned."""
_POLL_SECONDS = 0.1


class Scheduler:
    """Scheduler of one round over all parts; `failures` has the errors by the number of the part.

    Args:
        parts: Parts in order.
        results: Answers so far, by number of the part.
        introduction: Subjects of the first part.
        emit: Receives the events.
        ask: Starts the request about a part and adds the answer to `results`.
        expect: Called with a part some time before it is asked about.
    """

    def __init__(
        self,
        parts: Sequence[RequestChunk],
        results: dict[int, ChunkResult],
        introduction: Introduction,
        emit: Emit,
        *,
        ask: Callable[[RequestChunk], Future[None]],
        expect: Callable[[RequestChunk], None],
    ) -> None:
        self.failures: dict[int, AppError] = {}
        self._parts = parts
        self._in_flight = parts[0].layout.in_flight
        self._results = results
        self._introduction = introduction
        self._emit = emit
        self._ask = ask
        self._expect = expect
        self._expected = 0
        self._finished = {place for place, part in enumerate(parts) if part.number in results}
        self._running: dict[Future[None], int] = {}
        self._consecutive_failures = 0
        self._too_much: EngineError | None = None
        self._ended: EngineError | EngineEnded | None = None

    def run(
        self, first: Future[None] | None, check: Callable[[], None], is_paused: Callable[[], bool]
    ) -> EngineError | None:
        """Ask about all parts without a result.

        Requests that run when an error ends the round are still waited for, since they may have been answered.

        Args:
            first: Running request about the first part, if any.
            check: Called repeatedly; raises to stop waiting.
            is_paused: Returns True if no more parts are to be sent.

        Returns:
            The error of a part that was too large, which ends the round early; None if all were sent.

        Raises:
            EngineError: An error that ends the run.
            EngineEnded: The engine has died.
        """
        if first:
            self._running[first] = 0
        self._introduce()
        while True:
            if not (self._too_much or self._ended or is_paused()):
                for place in self._ready():
                    part = replace(self._parts[place], context=self._context(place))
                    self._running[self._ask(part)] = place
                self._look_ahead()
            if not self._running:
                break
            check()
            for future in self._wait_for_any():
                self._note(future)
        if self._ended:
            raise self._ended
        return self._too_much

    def _ready(self) -> list[int]:
        """Return the indexes of the parts to send now."""
        known = len(self._parts) if self._introduction.known.done() else 1
        started = {*self._finished, *self._running.values()}
        ready = (
            one
            for one in range(known)
            if one not in started and self._finished.issuperset(required_parts(one, self._in_flight))
        )
        return [place for place, _ in zip(ready, range(self._in_flight - len(self._running)), strict=False)]

    def _look_ahead(self) -> None:
        """Announce the next parts after the last running one, as many as run at the same time."""
        last = max(self._running.values(), default=0)
        for place in range(max(self._expected, last + 1), min(last + 1 + self._in_flight, len(self._parts))):
            if place not in self._finished:
                self._expect(self._parts[place])
        self._expected = max(self._expected, last + 1 + self._in_flight)

    def _wait_for_any(self) -> set[Future[Any]]:
        """Wait until a request ends or the first part's subjects are known; return the requests that have ended."""
        known = self._introduction.known
        waited: set[Future[Any]] = {*self._running} if known.done() else {*self._running, known}
        return wait(waited, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done - {known}

    def _note(self, future: Future[None]) -> None:
        place = self._running.pop(future)
        self._finished.add(place)
        try:
            self._too_much = self._outcome(future, self._parts[place]) or self._too_much
        except (EngineError, EngineEnded) as error:
            self._ended = self._ended or error
        self._introduce()

    def _introduce(self) -> None:
        """Release the parts that wait for the first one if it has ended."""
        if 0 in self._finished:
            first = self._results.get(self._parts[0].number)
            self._introduction.publish(first.subjects if first else ())

    def _context(self, place: int) -> CarriedContext:
        if place == 0:
            return NO_CONTEXT
        earlier = {one: self._results.get(self._parts[one].number) for one in required_parts(place, self._in_flight)}
        answered = {one: result for one, result in earlier.items() if result}
        return build_context(self._introduction.known.result(), answered)

    def _outcome(self, future: Future[None], part: RequestChunk) -> EngineError | None:
        """Return None, or the error of a part that was too large; raise an error that ends the run."""
        error = future.exception()
        if error is None:
            self._consecutive_failures = 0
            return None
        if isinstance(error, _TOO_MUCH) and len(part.frames) > 1:
            return error
        if isinstance(error, ENDS_ALL) or not isinstance(error, AppError):
            raise error
        self.failures[part.number] = error
        self._consecutive_failures += 1
        if self._consecutive_failures == _MOST_FAILURES or part.total < 2:
            raise error
        first, last = (clock(frame.time_seconds) for frame in (part.frames[0], part.frames[-1]))
        self._emit(Noticed(Notice("part_failed", {"first": first, "last": last, "reason": as_notice(error)}, "error")))
        return None
