"""Orchestration of a run's requests: the opening early, then all parts, then the joins.

A part is sent as pictures if the engine has image input, else as text from measured facts; once pictures are refused,
the rest of the run uses text. If a part is too large for the engine, all unfinished parts are made smaller, at
last by smaller pictures.
framelens.analysis.requests.scheduler decides the order of the parts and the context that they pass on.

It joins the parsed and checked findings with their frames, not the text of the answers.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from framelens.analysis.pipeline_state import Frames, wait_for
from framelens.analysis.planning import plan
from framelens.analysis.planning.frame_budget import RequestCapacity, smaller_side
from framelens.analysis.requests.request_builder import ImagePrefetch, RequestChunk
from framelens.analysis.requests.request_executor import RunContext
from framelens.analysis.requests.scheduler import ENDS_ALL, PartAsker, Scheduler
from framelens.analysis.task import EarlierResults
from framelens.core.domain import ChunkResult, Layout
from framelens.core.errors import AppError, Paused, RequestTooLarge, TooManyPictures
from framelens.core.events import AnswerDelta, ChunkDone, ModeChosen, Planned, StageStarted
from framelens.llm.token_estimate import estimate_text_tokens

_POLL_SECONDS = 0.1
_SMALLER = 0.5
"""Most of its frames that a part keeps after a request that was too large."""
_SUMMARY = 0


class EarlyPart(NamedTuple):
    """First part, sent before the others are known."""

    part: RequestChunk
    future: Future[None]


class Orchestrator:
    """Orchestrator of a run's requests; it emits a ChunkDone event for each answer."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._asker = PartAsker(run, ImagePrefetch(self._preparing))
        self._layout = run.task.done.state.layout
        self._failures: dict[int, AppError] = {}
        self._opening_end: float | None = None

    @property
    def done(self) -> EarlierResults:
        """Return the answers so far, for another run to continue from."""
        before = self._run.task.done
        fresh = tuple(self._asker.results[number] for number in sorted(self._asker.results))
        state = replace(before.state, layout=self._layout, results=(*fresh, *before.state.results))
        return replace(before, state=state, again=before.again - self._asker.results.keys())

    def run(self, opening_seconds: float | None) -> None:
        """Send all requests.

        Args:
            opening_seconds: Length of the beginning whose frames are sent before the others; None for no opening.

        Raises:
            AppError: The error that ended the run, or the first failure of a part after all others were sent.
            EngineEnded: The engine has died.
        """
        stored_layout = self._run.task.done.state.layout
        video = self._run.state.video()
        texts = self._asker.builder.usual_prompt
        layout = stored_layout or plan.base_layout(self._run.connection, self._run.task.request, video, texts)
        opening = self._run.state.opening() if opening_seconds and not self._asker.builder.fallback.is_active else ()
        with self._pool(layout) as pool:
            ahead = self._ask_opening(plan.lay_out(layout, opening), opening, opening_seconds, pool)
            frames, _ = self._run.state.chosen()
            if [number for part in layout.parts for number in part] != [frame.number for frame in frames]:
                layout = plan.lay_out(layout, frames, opening=len(opening))
            self._ask_all(layout, frames, pool, ahead)
            if self._failures:
                raise self._failures[min(self._failures)]
            if len(self._asker.results) > 1:
                self._run.emit(StageStarted("summary", 1))
                reducer = Reducer(self._asker, pool)
                reducer.run([self._asker.results[number] for number in sorted(self._asker.results)], frames)

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
        self._opening_end = self._run.task.request.selection.start_seconds + seconds
        part = self._chunks(_parts(layout, frames), layout, total=2, end_seconds=self._opening_end)[0]
        future = pool.submit(self._asker.ask, part)
        while not future.done():
            if self._run.state.has_chosen:
                return EarlyPart(part, future)
            self._run.state.check_cancelled()
            wait([future], timeout=_POLL_SECONDS)
        error = future.exception()
        if isinstance(error, ENDS_ALL) or not isinstance(error, AppError | None):
            raise error
        return None

    def _ask_all(self, layout: Layout, frames: Frames, pool: ThreadPoolExecutor, ahead: EarlyPart | None) -> None:
        end_requested = self._run.task.request.selection.end_seconds
        while True:
            self._layout = layout
            self._run.emit(Planned(layout))
            parts = _parts(layout, frames)
            self._run.emit(StageStarted("ask", len(parts)))
            end = end_requested or self._run.state.end_seconds()
            too_much = self._round(self._chunks(parts, layout, total=len(parts), end_seconds=end), pool, ahead)
            if too_much is None:
                return
            layout, ahead = self._finer(layout, frames, too_much), None

    def _round(
        self, parts: Sequence[RequestChunk], pool: ThreadPoolExecutor, ahead: EarlyPart | None
    ) -> RequestTooLarge | None:
        """Ask about all parts without a result; return the error of a part that was too large, if any."""
        if ahead and self._asker.builder.key(ahead.part) != self._asker.builder.key(parts[0]):
            wait_for(ahead.future, self._run.state.check_cancelled)
            ahead = None
        for number in self._asker.results.keys() - {part.number for part in parts if self._asker.is_answered(part)}:
            del self._asker.results[number]
        if not ahead:
            self._asker.begin_round()
        scheduler = Scheduler(parts, self._asker, pool)
        self._failures = scheduler.failures
        too_much = scheduler.run(ahead and ahead.future)
        self._run.state.check()
        return too_much

    def _chunks(self, parts: Sequence[Frames], layout: Layout, *, total: int, end_seconds: float) -> list[RequestChunk]:
        """Return the parts with the ranges of the video that they represent, each up to the next part's first frame."""
        starts = [part[0].time_seconds if part else 0.0 for part in parts]
        starts[0] = self._run.task.request.selection.start_seconds
        if self._opening_end:  # the next frame was not known when the opening was sent
            border = bisect_left(starts, self._opening_end)
            starts[border : border + 1] = [self._opening_end] if border < len(starts) else []
        ends = [*starts[1:], max(starts[-1], end_seconds)]
        return [
            RequestChunk(part, total, layout, start_seconds=start, end_seconds=end)
            for part, start, end in zip(parts, starts, ends, strict=True)
        ]

    def _finer(self, layout: Layout, frames: Frames, too_much: RequestTooLarge) -> Layout:
        finished = [part for part in layout.parts if part[0] in self._asker.results]
        longest = max(len(part) for part in layout.parts if part not in finished)
        if longest == 1:
            return replace(layout, side=smaller_side(frames[0], layout.side) or layout.side)
        share = min(_SMALLER, too_much.share or _SMALLER)
        limit = too_much.limit if isinstance(too_much, TooManyPictures) else ceil(longest * share)
        return plan.refine(layout, frames, finished, max(1, min(limit, longest - 1)))

    # ---- threads

    @contextmanager
    def _pool(self, layout: Layout) -> Iterator[ThreadPoolExecutor]:
        """Yield threads for requests; an exception in the block aborts the requests."""
        with ThreadPoolExecutor(layout.in_flight, thread_name_prefix="part") as pool:
            try:
                yield pool
            except BaseException:
                self._run.abort.set()
                raise
            finally:
                self._preparing.shutdown(wait=False, cancel_futures=True)


def _parts(layout: Layout, frames: Frames) -> list[Frames]:
    """Return the frames of each part; one part without frames if the layout has no parts."""
    by_number = {frame.number: frame for frame in frames}
    return [tuple(by_number[number] for number in part) for part in layout.parts] or [()]


class Reducer:
    """Reducer of a run. Intermediate joins are numbered -1, -2, … and run at the same time."""

    def __init__(self, asker: PartAsker, pool: Executor) -> None:
        self._run = asker.run
        self._builder = asker.builder
        self._executor = asker.executor
        self._pool = pool
        connection = asker.run.connection
        self._room = RequestCapacity(connection.max_model_len, connection.answer_tokens).for_frames
        self._number = 0

    def run(self, parts: Sequence[ChunkResult], frames: Frames) -> None:
        """Join all parts; ChunkDone events carry the results, the summary's last."""
        budget = self._room
        while True:
            try:
                self._rounds(list(parts), frames, budget)
                return
            except RequestTooLarge:
                if budget < self._room // 8:
                    raise
                budget //= 2

    def _rounds(self, parts: list[ChunkResult], frames: Frames, budget: int) -> None:
        while len(groups := self._groups(parts, budget)) > 1:
            numbers = [self._next_number() for _ in groups]
            futures = [
                self._pool.submit(self._join, number, group, frames)
                for number, group in zip(numbers, groups, strict=True)
            ]
            parts = [self._await_result(future) for future in futures]
            if self._run.state.is_paused:
                raise Paused
        self._await_result(self._pool.submit(self._join, _SUMMARY, parts, frames))

    def _await_result(self, future: Future[ChunkResult]) -> ChunkResult:
        """Wait for the result.

        Raises:
            Cancelled: The run was cancelled.
        """
        wait_for(future, self._run.state.check_cancelled)
        return future.result()

    def _join(self, number: int, parts: Sequence[ChunkResult], frames: Frames) -> ChunkResult:
        if len(parts) == 1 and number != _SUMMARY:
            return parts[0]
        cited = frames if number == _SUMMARY else _frames_of(parts, frames)
        request = self._builder.join_request(number, parts, cited)
        result = self._run.task.done.result(request.key, number)
        if result is None:
            self._run.emit(ModeChosen(number, "text"))
            result = self._executor.answer(request, vary=number in self._run.task.done.again)
        else:
            self._run.emit(AnswerDelta(number, result.answer, restart=True))
        self._run.emit(ChunkDone(result))
        return result

    def _groups(self, parts: Sequence[ChunkResult], budget: int) -> list[list[ChunkResult]]:
        """Group neighbouring parts whose texts fit a request."""
        costs = [estimate_text_tokens(self._builder.part_text(part)) for part in parts]
        return [[parts[index] for index in places] for places in plan.group_parts(costs, budget)]

    def _next_number(self) -> int:
        self._number -= 1
        return self._number


def _frames_of(parts: Sequence[ChunkResult], frames: Frames) -> Frames:
    held = {number for part in parts for number in part.frames}
    return tuple(frame for frame in frames if frame.number in held)
