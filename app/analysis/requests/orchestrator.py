"""Orchestration of one run's requests: the opening early, then all parts, then the joins.

A part is sent as pictures if the engine has image input, else as text from measured facts; once pictures are refused,
the rest of the run uses text. If a part is too large for the engine, all unfinished parts are made smaller.
app.analysis.requests.scheduler decides the order of the parts and the context that they pass on.

It joins the parsed and checked findings with their frames, not the text of the answers.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from app.analysis.concurrency import wait_for
from app.analysis.parsing.answer_parser import parse_answer
from app.analysis.pipeline_state import PipelineState
from app.analysis.planning import plan
from app.analysis.planning.plan import RequestCapacity, group_parts
from app.analysis.planning.token_cost import base_layout
from app.analysis.prompts.templates import Template
from app.analysis.requests.request_builder import ImagePrefetch, Introduction, RequestBuilder, RequestChunk
from app.analysis.requests.request_executor import Emit, EngineConnection, Frames, RequestExecutor
from app.analysis.requests.scheduler import ENDS_ALL, Scheduler
from app.analysis.task import EarlierResults, Task
from app.core import (
    AnalysisEvent,
    AnswerDelta,
    AppError,
    Cancelled,
    ChunkDone,
    ChunkResult,
    ContextExceeded,
    EngineError,
    Layout,
    ModeChosen,
    Paused,
    PicturesRefused,
    Planned,
    StageStarted,
)
from app.llm.error_mapping import TooManyPictures
from app.llm.token_count import estimate_text_tokens

_POLL_SECONDS = 0.1
_SUMMARY = 0


class EarlyPart(NamedTuple):
    """First part, sent before the others are known."""

    part: RequestChunk
    future: Future[None]


class Orchestrator:
    """Orchestrator of one run's requests; it emits a ChunkDone event for each answer."""

    def __init__(
        self,
        task: Task,
        template: Template,
        connection: EngineConnection,
        state: PipelineState,
        emit: Emit,
        stop: threading.Event,
    ) -> None:
        self._task = task
        self._template = template
        self._connection = connection
        self._state = state
        self._emit = emit
        self._stop = stop
        self._abort = threading.Event()
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._builder = RequestBuilder(task.request, template, connection, state, emit, ImagePrefetch(self._preparing))
        self._layout = task.done.layout
        self._results: dict[int, ChunkResult] = {}
        self._failures: dict[int, AppError] = {}
        self._opening_end: float | None = None
        self._introduction = self._awaited_introduction()
        self._executor = RequestExecutor(
            connection, task.request, template, end_seconds=state.end_seconds, emit=self._forward, cancel=self._abort
        )

    @property
    def done(self) -> EarlierResults:
        """Return the answers so far, for another run to continue from."""
        before = self._task.done
        fresh = tuple(self._results[number] for number in sorted(self._results))
        return EarlierResults(self._layout, (*fresh, *before.results), before.again - self._results.keys())

    def run(self, opening_seconds: float | None) -> None:
        """Send all requests.

        Args:
            opening_seconds: Length of the beginning whose frames are sent before the others; None for no opening.

        Raises:
            AppError: The error that ended the run, or the first failure of a part after all others were sent.
            EngineEnded: The engine has died.
        """
        known = self._task.done.layout
        video = self._state.video()
        layout = known or base_layout(self._connection, self._task.request, video, self._builder.usual_words())
        opening = self._state.opening() if opening_seconds and self._builder.sends_pictures else ()
        with self._pool(layout) as pool:
            ahead = self._ask_opening(plan.lay_out(layout, opening), opening, opening_seconds, pool)
            frames, _ = self._state.chosen()
            if [number for part in layout.parts for number in part] != [frame.number for frame in frames]:
                layout = plan.lay_out(layout, frames, opening=len(opening))
            self._ask_all(layout, frames, pool, ahead)
            if self._failures:
                raise self._failures[min(self._failures)]
            if len(self._results) > 1:
                self._emit(StageStarted("summary", 1))
                Reducer(self._task, self._builder, self._executor, self._connection, self._emit, pool, self._check).run(
                    [self._results[number] for number in sorted(self._results)], frames
                )

    # ---- parts

    def _ask_opening(
        self, layout: Layout, frames: Frames, seconds: float | None, pool: ThreadPoolExecutor
    ) -> EarlyPart | None:
        """Ask about the first part until it is answered or all frames are known.

        Returns:
            The part if it is still running; else None. A part that failed is asked about again with the rest.
        """
        if not frames or not seconds:
            return None
        self._opening_end = self._task.request.selection.start_seconds + seconds
        part = self._placed(_parts(layout, frames), layout, total=2, end_seconds=self._opening_end)[0]
        future = pool.submit(self._ask, part)
        while not future.done():
            if self._state.has_chosen:
                return EarlyPart(part, future)
            self._check()
            wait([future], timeout=_POLL_SECONDS)
        error = future.exception()
        if isinstance(error, ENDS_ALL) or not isinstance(error, AppError | None):
            raise error
        return None

    def _ask_all(self, layout: Layout, frames: Frames, pool: ThreadPoolExecutor, ahead: EarlyPart | None) -> None:
        wanted = self._task.request.selection.end_seconds
        while True:
            self._layout = layout
            self._emit(Planned(layout))
            parts = _parts(layout, frames)
            self._emit(StageStarted("ask", len(parts)))
            end = wanted or self._state.end_seconds()
            too_much = self._round(self._placed(parts, layout, total=len(parts), end_seconds=end), pool, ahead)
            if too_much is None:
                return
            layout, ahead = self._finer(layout, frames, too_much), None

    def _round(
        self, parts: Sequence[RequestChunk], pool: ThreadPoolExecutor, ahead: EarlyPart | None
    ) -> EngineError | None:
        """Ask about all parts without a result; return the error of one that was too large, if any."""
        if ahead and self._builder.key(ahead.part) != self._builder.key(parts[0]):
            wait_for(ahead.future, self._check)
            ahead = None
        for number in self._results.keys() - {part.number for part in parts if self._is_answered(part)}:
            del self._results[number]
        if not ahead:
            self._introduction = self._awaited_introduction()
        this = Scheduler(
            parts,
            self._results,
            self._introduction,
            self._emit,
            ask=lambda part: pool.submit(self._ask, part),
            expect=self._expect,
        )
        self._failures = this.failures
        too_much = this.run(ahead and ahead.future, self._check, self._task.control.pause.is_set)
        self._state.check()
        return too_much

    def _placed(self, parts: Sequence[Frames], layout: Layout, *, total: int, end_seconds: float) -> list[RequestChunk]:
        """Return the parts with the ranges of the video that they represent, each up to the next one's first frame."""
        starts = [part[0].time_seconds if part else 0.0 for part in parts]
        starts[0] = self._task.request.selection.start_seconds
        if self._opening_end:  # the next frame was not known when the opening was sent
            border = bisect_left(starts, self._opening_end)
            starts[border : border + 1] = [self._opening_end] if border < len(starts) else []
        ends = [*starts[1:], max(starts[-1], end_seconds)]
        return [
            RequestChunk(part, total, layout, start_seconds=start, end_seconds=end)
            for part, start, end in zip(parts, starts, ends, strict=True)
        ]

    def _awaited_introduction(self) -> Introduction:
        language = self._task.request.language
        return Introduction(lambda text: parse_answer(text, "part", self._template, language, {}, 0.0).subjects)

    def _forward(self, event: AnalysisEvent) -> None:
        self._introduction.note(event)
        self._emit(event)

    def _expect(self, part: RequestChunk) -> None:
        if self._task.done.result(self._builder.key(part), part.number) is None:
            self._builder.prefetch(part)

    def _ask(self, part: RequestChunk) -> None:
        """Get the result of one part, from the earlier run or the engine; runs in a thread of its own."""
        done, number = self._task.done, part.number
        result = done.result(self._builder.key(part), number)
        if result is None:
            part = replace(part, cues=self._state.cues(part.start_seconds, part.end_seconds))
            vary = number in done.again
            try:
                result = self._executor.answer(self._builder.part_request(part), vary=vary)
            except PicturesRefused as refused:
                self._builder.use_text(refused)
                result = self._executor.answer(self._builder.part_request(part), vary=vary)
        else:
            self._forward(AnswerDelta(number, result.answer, restart=True))
        self._results[number] = result
        self._emit(ChunkDone(result))

    def _is_answered(self, part: RequestChunk) -> bool:
        """Return True if there is a result about exactly these frames in the current form."""
        result = self._results.get(part.number)
        return result is not None and result.key == self._builder.key(part)

    def _finer(self, layout: Layout, frames: Frames, too_much: EngineError) -> Layout:
        finished = [part for part in layout.parts if part[0] in self._results]
        longest = max(len(part) for part in layout.parts if part not in finished)
        limit = too_much.limit if isinstance(too_much, TooManyPictures) else (longest + 1) // 2
        return plan.refine(layout, frames, finished, max(1, min(limit, longest - 1)))

    # ---- threads

    @contextmanager
    def _pool(self, layout: Layout) -> Iterator[ThreadPoolExecutor]:
        """Yield threads for requests; an exception in the block aborts the requests."""
        with ThreadPoolExecutor(layout.in_flight, thread_name_prefix="part") as pool:
            try:
                yield pool
            except BaseException:
                self._abort.set()
                raise
            finally:
                self._preparing.shutdown(wait=False, cancel_futures=True)

    def _check(self) -> None:
        """Raise Cancelled if the run is cancelled or over."""
        if self._stop.is_set() or self._task.control.cancel.is_set():
            raise Cancelled


def _parts(layout: Layout, frames: Frames) -> list[Frames]:
    """Return the frames of each part; one part without frames if the layout has none."""
    by_number = {frame.number: frame for frame in frames}
    return [tuple(by_number[number] for number in part) for part in layout.parts] or [()]


class Reducer:
    """Reducer of one run. Intermediate joins are numbered -1, -2, … and run at the same time."""

    def __init__(
        self,
        task: Task,
        builder: RequestBuilder,
        executor: RequestExecutor,
        connection: EngineConnection,
        emit: Emit,
        pool: Executor,
        check: Callable[[], None],
    ) -> None:
        self._done = task.done
        self._control = task.control
        self._check = check
        self._builder = builder
        self._executor = executor
        self._emit = emit
        self._pool = pool
        self._room = RequestCapacity(connection.max_model_len, connection.answer_tokens).for_frames
        self._number = 0

    def run(self, parts: Sequence[ChunkResult], frames: Frames) -> None:
        """Join all parts; ChunkDone events carry the results, that of the summary last."""
        room = self._room
        while True:
            try:
                self._rounds(list(parts), frames, room)
                return
            except ContextExceeded:
                if room < self._room // 8:
                    raise
                room //= 2

    def _rounds(self, parts: list[ChunkResult], frames: Frames, room: int) -> None:
        while len(groups := self._groups(parts, room)) > 1:
            numbers = [self._next_number() for _ in groups]
            futures = [
                self._pool.submit(self._join, number, group, frames)
                for number, group in zip(numbers, groups, strict=True)
            ]
            parts = [self._awaited(future) for future in futures]
            if self._control.pause.is_set():
                raise Paused
        self._awaited(self._pool.submit(self._join, _SUMMARY, parts, frames))

    def _awaited(self, future: Future[ChunkResult]) -> ChunkResult:
        """Wait for the result; `check` raises if the run is cancelled."""
        wait_for(future, self._check)
        return future.result()

    def _join(self, number: int, parts: Sequence[ChunkResult], frames: Frames) -> ChunkResult:
        if len(parts) == 1 and number != _SUMMARY:
            return parts[0]
        cited = frames if number == _SUMMARY else _between(parts, frames)
        asked = self._builder.join_request(number, parts, cited)
        result = self._done.result(asked.key, number)
        if result is None:
            self._emit(ModeChosen(number, "text"))
            result = self._executor.answer(asked, vary=number in self._done.again)
        else:
            self._emit(AnswerDelta(number, result.answer, restart=True))
        self._emit(ChunkDone(result))
        return result

    def _groups(self, parts: Sequence[ChunkResult], room: int) -> list[list[ChunkResult]]:
        """Group neighbouring parts whose texts fit one request."""
        costs = [estimate_text_tokens(self._builder.part_text(part)) for part in parts]
        return [[parts[place] for place in places] for places in group_parts(costs, room)]

    def _next_number(self) -> int:
        self._number -= 1
        return self._number


def _between(parts: Sequence[ChunkResult], frames: Frames) -> Frames:
    held = {number for part in parts for number in part.frames}
    return tuple(frame for frame in frames if frame.number in held)
