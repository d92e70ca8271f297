"""One round of asking about parts: as many at the same time as the engine takes, each when all it is told of is there.

What a part is told of those before it depends on the layout alone, never on which answer came first: the same run sends
the same requests. One part that fails does not keep the others from being asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any

from app.analysis.requests.context import NOTHING, Carried, Introduction, carried, sources
from app.analysis.requests.request_builder import Part
from app.analysis.requests.request_executor import Emit, EngineEnded
from app.core.domain import ChunkResult, Notice, Noticed, clock
from app.core.errors import (
    AppError,
    Cancelled,
    ContextExceeded,
    EngineBrokeOff,
    EngineBusy,
    EngineError,
    EngineTimeout,
    ModelNotFound,
)
from app.i18n import as_notice
from app.llm.error_mapping import TooManyPictures

ENDS_ALL = (Cancelled, EngineEnded, EngineBrokeOff, EngineTimeout, EngineBusy, ModelNotFound)
"""After these there is no use in asking about another part."""
_TOO_MUCH = (ContextExceeded, TooManyPictures)
_MOST_FAILURES = 3
"""So many parts may fail without one being answered between them, before the rest is left."""
_POLL_SECONDS = 0.1


class Round:
    """`results` by number hold what is answered already; `ask` begins to ask about a part and adds what it comes to.
    `expect` is told of a part some time before it is asked.

    Failures by the number of the part are in `failures`.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        results: dict[int, ChunkResult],
        introduction: Introduction,
        emit: Emit,
        *,
        ask: Callable[[Part], Future[None]],
        expect: Callable[[Part], None],
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
        self._over = {place for place, part in enumerate(parts) if part.number in results}
        self._running: dict[Future[None], int] = {}
        self._failed_in_a_row = 0
        self._too_much: EngineError | None = None
        self._ended: EngineError | EngineEnded | None = None

    def run(
        self, first: Future[None] | None, check: Callable[[], None], is_paused: Callable[[], bool]
    ) -> EngineError | None:
        """Ask about all that have no result; `first` is the first part, where it is on its way. Ends early, and returns
        why, where one was too much.

        What is on its way when something ends it all is still waited for: it may have been answered.
        """
        if first:
            self._running[first] = 0
        self._introduce()
        while True:
            if not (self._too_much or self._ended or is_paused()):
                for place in self._ready():
                    part = replace(self._parts[place], carried=self._carried(place))
                    self._running[self._ask(part)] = place
                self._look_ahead()
            if not self._running:
                break
            check()
            for future in self._until_news():
                self._note(future)
        if self._ended:
            raise self._ended
        return self._too_much

    def _ready(self) -> list[int]:
        """The places whose turn it is, as many as there is room for."""
        known = len(self._parts) if self._introduction.known.done() else 1
        begun = {*self._over, *self._running.values()}
        turn = (
            one for one in range(known) if one not in begun and self._over.issuperset(sources(one, self._in_flight))
        )
        return [place for place, _ in zip(turn, range(self._in_flight - len(self._running)), strict=False)]

    def _look_ahead(self) -> None:
        """As many parts as are asked at the same time are expected after the last that is being asked."""
        last = max(self._running.values(), default=0)
        for place in range(max(self._expected, last + 1), min(last + 1 + self._in_flight, len(self._parts))):
            if place not in self._over:
                self._expect(self._parts[place])
        self._expected = max(self._expected, last + 1 + self._in_flight)

    def _until_news(self) -> set[Future[Any]]:
        """Those that have ended, once one has or it is known who is seen in the first part."""
        known = self._introduction.known
        waited: set[Future[Any]] = {*self._running} if known.done() else {*self._running, known}
        return wait(waited, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done - {known}

    def _note(self, future: Future[None]) -> None:
        place = self._running.pop(future)
        self._over.add(place)
        try:
            self._too_much = self._outcome(future, self._parts[place]) or self._too_much
        except (EngineError, EngineEnded) as error:
            self._ended = self._ended or error
        self._introduce()

    def _introduce(self) -> None:
        """Once nothing more will come of the first part, those that wait for it need not."""
        if 0 in self._over:
            first = self._results.get(self._parts[0].number)
            self._introduction.tell(first.subjects if first else ())

    def _carried(self, place: int) -> Carried:
        if place == 0:
            return NOTHING
        told = {one: self._results.get(self._parts[one].number) for one in sources(place, self._in_flight)}
        answered = {one: result for one, result in told.items() if result}
        return carried(self._introduction.known.result(), answered)

    def _outcome(self, future: Future[None], part: Part) -> EngineError | None:
        """What a part came to: None, or why it was too much. Raises what ends all."""
        error = future.exception()
        if error is None:
            self._failed_in_a_row = 0
            return None
        if isinstance(error, _TOO_MUCH) and len(part.frames) > 1:
            return error
        if isinstance(error, ENDS_ALL) or not isinstance(error, AppError):
            raise error
        self.failures[part.number] = error
        self._failed_in_a_row += 1
        if self._failed_in_a_row == _MOST_FAILURES or part.total < 2:
            raise error
        first, last = (clock(frame.time_seconds) for frame in (part.frames[0], part.frames[-1]))
        self._emit(Noticed(Notice("part_failed", {"first": first, "last": last, "reason": as_notice(error)}, "error")))
        return None
