"""Cost of reading a video and choosing frames, over a bare decode of the same file in the same minute.

Each run of a tool is between two runs of `ffmpeg -f null`, and is divided by their mean, since the machine may be busy
with other things; the median of several rounds counts. CPU seconds are reported beside clock seconds: they suffer less
from neighbours.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.keyframes.files import one_frame
from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import Tool, ffmpeg_null


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and seconds of processors in this process and the children that it waited for."""

    clock: float
    processor: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.clock - other.clock, self.processor - other.processor)


@dataclass(frozen=True)
class Round:
    """A tool between two bare decodes, and its start: the same tool on a single frame. `bare_start` is ffmpeg's."""

    before: Cost
    tool: Cost
    after: Cost
    start: Cost
    bare_start: Cost

    @property
    def bare(self) -> Cost:
        """The mean of the two."""
        return Cost((self.before.clock + self.after.clock) / 2, (self.before.processor + self.after.processor) / 2)

    @property
    def by_clock(self) -> float:
        return self.tool.clock / self.bare.clock

    @property
    def by_clock_without_start(self) -> float:
        return (self.tool - self.start).clock / (self.bare - self.bare_start).clock

    @property
    def by_processor(self) -> float:
        return self.tool.processor / self.bare.processor


def speed_tables(work: Path, files: Mapping[str, Path], tools: Sequence[Tool], *, rounds: int) -> Iterator[str]:
    """Yield a table for each file."""
    timed = [kind for tool in tools if tool.work for kind in _with_and_without_preparation(tool)]
    for name, video in files.items():
        measured = _measured(video, one_frame(work, video), timed, rounds)
        bare = median(one.bare.clock for every in measured.values() for one in every)
        yield f"{name}, {rounds} rounds; `ffmpeg -f null` took {bare:.1f} s (median). In brackets least and most.\n"
        yield from markdown(
            ["tool", "wall time / ffmpeg", "the same without starts", "processor time / ffmpeg", "start, s"],
            ([tool, *_figures(every)] for tool, every in measured.items()),
        )


def cost(work: Callable[[], object]) -> Cost:
    clock, processor = time.perf_counter(), _processor_seconds()
    work()
    return Cost(time.perf_counter() - clock, _processor_seconds() - processor)


def _with_and_without_preparation(tool: Tool) -> list[Tool]:
    if tool.around is nullcontext:
        return [tool]
    return [tool, replace(tool, name=f"{tool.name}, nothing made ready", around=nullcontext)]


def _measured(video: Path, first: Path, tools: Sequence[Tool], rounds: int) -> dict[str, list[Round]]:
    measured: dict[str, list[Round]] = {tool.name: [] for tool in tools}
    for tool in tools:
        (tool.work or ffmpeg_null)(first)  # so that all start from compiled modules and a warm disk
    before = cost(lambda: ffmpeg_null(video))
    for number in range(rounds):
        bare_start = cost(lambda: ffmpeg_null(first))
        for tool in tools:
            print(f"speed: {video.name}, round {number + 1}, {tool.name}", file=sys.stderr, flush=True)
            run = tool.work or ffmpeg_null
            with tool.around():
                start = cost(lambda run=run: run(first))  # type: ignore[misc]
            with tool.around():
                spent = cost(lambda run=run: run(video))  # type: ignore[misc]
            after = cost(lambda: ffmpeg_null(video))
            measured[tool.name].append(Round(before, spent, after, start, bare_start))
            before = after
    return measured


def _figures(every: Sequence[Round]) -> list[str]:
    columns = ([getattr(one, part) for one in every] for part in ("by_clock", "by_clock_without_start", "by_processor"))
    return [*map(_spread, columns), f"{median(one.start.clock for one in every):.2f}"]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def _processor_seconds() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
