"""Scheduler of the requests about parts: as many at once as the engine runs, each when its context is complete.

The context that a part gets from earlier parts depends on the layout alone, never on the order of answers: the same run
sends the same requests. A part that fails doesn't stop the others.
"""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace
from typing import Any

from framelens.analysis.pipeline_state import EngineEnded
from framelens.analysis.planning.frame_budget import smaller_side
from framelens.analysis.requests import request_builder
from framelens.analysis.requests.request_executor import RequestExecutor, RunContext
from framelens.core.domain import ChunkResult, Cue, Notice
from framelens.core.errors import (
    AppError,
    Cancelled,
    EngineBrokeOff,
    EngineBusy,
    EngineError,
    EngineTimeout,
    ModelNotFound,
    PicturesRefused,
    RequestTooLarge,
    TooManyPictures,
)
from framelens.core.events import AnalysisEvent, AnswerDelta, ChunkDone, Noticed
from framelens.core.units import clock
from framelens.i18n import as_notice, in_language
from framelens.i18n.formatting import attributed

ENDS_ALL = (Cancelled, EngineEnded, EngineBrokeOff, EngineTimeout, EngineBusy, ModelNotFound)
"""Errors that end the run: asking about another part would be useless."""
_MOST_FAILURES = 3
"""Number of consecutive failures that ends the run."""
_POLL_SECONDS = 0.1


class PartAsker:
    """Asks about single parts; an answer of an earlier run is used again.

    Attributes:
        run: What the requests share.
        builder: Builds the requests.
        executor: Sends them.
        results: Answers so far, by number of the part.
        introduction: Subjects of the first part in this round.
    """

    def __init__(self, run: RunContext, pictures: request_builder.ImagePrefetch) -> None:
        self.run = run
        self.builder = request_builder.RequestBuilder(run, pictures)
        self.executor = RequestExecutor(replace(run, emit=self._forward))
        self.results: dict[int, ChunkResult] = {}
        self.begin_round()

    def begin_round(self) -> None:
        """Wait for the subjects of the first part once more."""
        self.introduction = request_builder.Introduction(self.run.template)

    def ask(self, part: request_builder.RequestChunk) -> None:
        """Get the result of a part, from the earlier run or the engine; runs in a thread of its own.

        Raises:
            AppError: The part could not be answered.
            EngineEnded: The engine has died.
        """
        done, number = self.run.task.done, part.number
        result = done.result(self.builder.key(part), number)
        if result is None:
            part = replace(part, cues=self._cues(part))
            vary = number in done.again
            try:
                result = self.executor.answer(self.builder.part_request(part), vary=vary)
            except PicturesRefused as refused:
                self.builder.fallback.begin(refused)
                result = self.executor.answer(self.builder.part_request(part), vary=vary)
        else:
            self._forward(AnswerDelta(number, result.answer, restart=True))
        self.results[number] = result
        self.run.emit(ChunkDone(result))

    def _cues(self, part: request_builder.RequestChunk) -> tuple[Cue, ...]:
        with in_language(self.run.task.request.language):
            return attributed(self.run.state.transcript(part.start_seconds, part.end_seconds))

    def expect(self, part: request_builder.RequestChunk) -> None:
        """Prepare for a part that will be asked about soon."""
        if self.run.task.done.result(self.builder.key(part), part.number) is None:
            self.builder.prefetch(part)

    def is_answered(self, part: request_builder.RequestChunk) -> bool:
        """Return True if there is a result about exactly these frames in the current form."""
        result = self.results.get(part.number)
        return result is not None and result.key == self.builder.key(part)

    def _forward(self, event: AnalysisEvent) -> None:
        self.introduction.note(event)
        self.run.emit(event)


class Scheduler:
    """Scheduler of a round over all parts; `failures` has the errors by the number of the part.

    Args:
        parts: Parts in order.
        asker: Asks about them.
        pool: Threads for the requests.
    """

    def __init__(self, parts: Sequence[request_builder.RequestChunk], asker: PartAsker, pool: Executor) -> None:
        self.failures: dict[int, AppError] = {}
        self._parts = parts
        self._in_flight = parts[0].layout.in_flight
        self._asker = asker
        self._pool = pool
        self._introduction = asker.introduction
        self._run = asker.run
        self._expected = 0
        self._finished = {index for index, part in enumerate(parts) if part.number in asker.results}
        self._running: dict[Future[None], int] = {}
        self._consecutive_failures = 0
        self._too_much: RequestTooLarge | None = None
        self._ended: EngineError | EngineEnded | None = None

    def run(self, first: Future[None] | None) -> RequestTooLarge | None:
        """Ask about all parts without a result.

        Requests that run when an error ends the round are still waited for, since they may have been answered.

        Args:
            first: Running request about the first part, if any.

        Returns:
            The error of a part that was too large, which ends the round early; None if all were sent.

        Raises:
            EngineError: An error that ends the run.
            EngineEnded: The engine has died.
            Cancelled: The run was cancelled.
        """
        if first:
            self._running[first] = 0
        self._introduce()
        while True:
            if not (self._too_much or self._ended or self._run.state.is_paused):
                for index in self._ready():
                    part = replace(self._parts[index], context=self._context(index))
                    self._running[self._pool.submit(self._asker.ask, part)] = index
                self._look_ahead()
            if not self._running:
                break
            self._run.state.check_cancelled()
            for future in self._wait_for_any():
                self._note(future)
        if self._ended:
            raise self._ended
        return self._too_much

    def _ready(self) -> list[int]:
        """Return the indexes of the parts to send now."""
        num_sendable = len(self._parts) if self._introduction.known.done() else 1
        started = {*self._finished, *self._running.values()}
        ready = (
            index
            for index in range(num_sendable)
            if index not in started
            and self._finished.issuperset(request_builder.required_parts(index, self._in_flight))
        )
        return [index for index, _ in zip(ready, range(self._in_flight - len(self._running)), strict=False)]

    def _look_ahead(self) -> None:
        """Announce the next parts after the last running part, as many as run at the same time."""
        last = max(self._running.values(), default=0)
        for index in range(max(self._expected, last + 1), min(last + 1 + self._in_flight, len(self._parts))):
            if index not in self._finished:
                self._asker.expect(self._parts[index])
        self._expected = max(self._expected, last + 1 + self._in_flight)

    def _wait_for_any(self) -> set[Future[Any]]:
        """Wait until a request ends or the first part's subjects are known; return the requests that have ended."""
        introduced = self._introduction.known
        waited: set[Future[Any]] = {*self._running} if introduced.done() else {*self._running, introduced}
        return wait(waited, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done - {introduced}

    def _note(self, future: Future[None]) -> None:
        index = self._running.pop(future)
        self._finished.add(index)
        try:
            self._too_much = self._outcome(future, self._parts[index]) or self._too_much
        except (EngineError, EngineEnded) as error:
            self._ended = self._ended or error
        self._introduce()

    def _introduce(self) -> None:
        """Release the parts that wait for the first part if it has ended."""
        if 0 in self._finished:
            first = self._asker.results.get(self._parts[0].number)
            self._introduction.publish(first.subjects if first else ())

    def _context(self, index: int) -> request_builder.CarriedContext:
        if index == 0:
            return request_builder.NO_CONTEXT
        earlier = {
            required_part: self._asker.results.get(self._parts[required_part].number)
            for required_part in request_builder.required_parts(index, self._in_flight)
        }
        answered = {number: result for number, result in earlier.items() if result}
        return request_builder.build_context(self._introduction.known.result(), answered)

    def _may_shrink_picture(self, error: RequestTooLarge, part: request_builder.RequestChunk) -> bool:
        """Return whether a request with a single picture may be sent with a smaller picture.

        Not where the size is set, nor after an answer, since answered parts would have to be asked about again.
        """
        is_set = self._run.task.request.side or self._run.connection.side
        if is_set or self._asker.results or self._asker.builder.fallback.is_active or not part.frames:
            return False
        return not isinstance(error, TooManyPictures) and bool(smaller_side(part.frames[0], part.layout.side))

    def _outcome(self, future: Future[None], part: request_builder.RequestChunk) -> RequestTooLarge | None:
        """Return None, or the error of a part that was too large; raise an error that ends the run."""
        error = future.exception()
        if error is None:
            self._consecutive_failures = 0
            return None
        if isinstance(error, RequestTooLarge) and (len(part.frames) > 1 or self._may_shrink_picture(error, part)):
            return error
        if isinstance(error, ENDS_ALL) or not isinstance(error, AppError):
            raise error
        self.failures[part.number] = error
        self._consecutive_failures += 1
        # Where a single frame is too large before anything was answered, so is every other.
        is_hopeless = part.total < 2 or (isinstance(error, RequestTooLarge) and not self._asker.results)
        if self._consecutive_failures == _MOST_FAILURES or is_hopeless:
            raise error
        first, last = (clock(frame.time_seconds) for frame in (part.frames[0], part.frames[-1]))
        self._run.emit(
            Noticed(Notice("part_failed", {"first": first, "last": last, "reason": as_notice(error)}, "error"))
        )
        return None
