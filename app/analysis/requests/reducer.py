"""Reducer that joins the answers about parts into one account of the video, in several rounds if needed.

It joins the parsed and checked findings with their frames, not the text of the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from app.analysis.concurrency import wait_for
from app.analysis.planning.plan import RequestCapacity, group_parts
from app.analysis.requests.request_builder import RequestBuilder
from app.analysis.requests.request_executor import Emit, EngineConnection, Frames, RequestExecutor
from app.analysis.task import Task
from app.core.domain import AnswerDelta, ChunkDone, ChunkResult, ModeChosen
from app.core.errors import ContextExceeded, Paused
from app.llm.token_count import estimate_text_tokens

_SUMMARY = 0


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
