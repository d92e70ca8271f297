"""Parts of an analysis, one per request, counted from 1, each with its frames, time range and answer.

Results are identified by the number of their first frame; parts are shown to people by their count and times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.core import Analysis, ChunkResult, Finding, Keyframe, Layout


@dataclass(frozen=True)
class RequestPart:
    """The frames of one request, which cover [start_seconds, end_seconds), up to the first frame of the next part.

    `place` counts from 1; `number` is the first frame's. `result` is None if the part is not answered.
    """

    place: int
    number: int
    frames: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    result: ChunkResult | None


def times_of(frames: Iterable[Keyframe]) -> dict[int, float]:
    """Map frame numbers to seconds."""
    return {frame.number: frame.time_seconds for frame in frames}


def seconds_of(finding: Finding, times: Mapping[int, float]) -> list[float]:
    """List the times of the frames that a finding cites, without those that are missing."""
    return [times[number] for number in finding.frames if number in times]


def parts_of(analysis: Analysis) -> tuple[RequestPart, ...]:
    """Return all planned and all answered parts in time order."""
    times = times_of(analysis.keyframes)
    return layout_parts(analysis.layout, analysis.chunks, times, analysis.decode.readable_seconds)


def layout_parts(
    layout: Layout | None, chunks: Iterable[ChunkResult], times: Mapping[int, float], end_seconds: float
) -> tuple[RequestPart, ...]:
    """Return the parts that are known so far, in time order.

    Args:
        layout: The planned parts, if known.
        chunks: The results so far.
        times: Seconds by frame number; a missing frame counts as 0.
        end_seconds: The end of the last part.
    """
    answered = {chunk.number: chunk for chunk in chunks if chunk.number > 0}
    planned = {part[0]: part for part in (layout.parts if layout else ()) if part}
    runs = planned | {number: chunk.frames or planned.get(number, ()) for number, chunk in answered.items()}
    numbers = sorted(runs)
    starts = [times.get(number, 0.0) for number in numbers]
    ends = [*starts[1:], end_seconds]
    return tuple(
        RequestPart(place, number, runs[number], start, max(start, end), answered.get(number))
        for place, (number, start, end) in enumerate(zip(numbers, starts, ends, strict=False), start=1)
    )
