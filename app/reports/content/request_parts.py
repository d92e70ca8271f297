"""From an analysis to the parts that it was asked in, counted from 1, each with its frames, its time and its answer.

Results are told apart by the number of their first frame; people count parts, and know them by their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.domain import Analysis, ChunkResult, Finding, Keyframe, Layout


@dataclass(frozen=True)
class Part:
    """The frames of one request, which stand for [start_seconds, end_seconds): up to the first frame of the next part.

    `place` counts from 1; `number` is that of the first frame. `result` is None where the part is not answered.
    """

    place: int
    number: int
    frames: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    result: ChunkResult | None


def times_of(frames: Iterable[Keyframe]) -> dict[int, float]:
    """Frame number -> seconds."""
    return {frame.number: frame.time_seconds for frame in frames}


def seconds_of(finding: Finding, times: Mapping[int, float]) -> list[float]:
    """When the frames are that it rests on, of which some may not be there."""
    return [times[number] for number in finding.frames if number in times]


def parts_of(analysis: Analysis) -> tuple[Part, ...]:
    """All parts in time order: those that were planned, and every one that was answered."""
    times = times_of(analysis.keyframes)
    return laid_out(analysis.layout, analysis.chunks, times, analysis.decode.readable_seconds)


def laid_out(
    layout: Layout | None, chunks: Iterable[ChunkResult], times: Mapping[int, float], end_seconds: float
) -> tuple[Part, ...]:
    """The same of what is known so far: any of these may be None or empty. A frame whose time is not known begins at 0.

    `end_seconds` is the end of what is shown of the video; `times` is by frame number.
    """
    answered = {chunk.number: chunk for chunk in chunks if chunk.number > 0}
    planned = {part[0]: part for part in (layout.parts if layout else ()) if part}
    runs = planned | {number: chunk.frames or planned.get(number, ()) for number, chunk in answered.items()}
    numbers = sorted(runs)
    starts = [times.get(number, 0.0) for number in numbers]
    ends = [*starts[1:], end_seconds]
    return tuple(
        Part(place, number, runs[number], start, max(start, end), answered.get(number))
        for place, (number, start, end) in enumerate(zip(numbers, starts, ends, strict=False), start=1)
    )
