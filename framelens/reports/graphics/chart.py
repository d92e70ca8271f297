"""Renderer-independent timeline chart of a video, with positions as shares of the video's length.

Shots are alternating bands with chapters above them, the curve is the change of the picture, ticks are the keyframes.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from framelens.core.domain import Analysis, Measures, StretchType
from framelens.core.outline import chapters_of
from framelens.core.units import clock

_MOST_POINTS, _TICKS = 400, 6
"""Points of the curve and labels of the scale, at most."""
_MINUTE = 60.0
_STEPS_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True)
class Band:
    """A range [start, end) in shares of the video's length, 0 … 1."""

    start: float
    end: float
    label: str = ""


@dataclass(frozen=True)
class Tick:
    """A keyframe at `at`, a share of the length, with the `number` that the model cites."""

    at: float
    number: int
    time_seconds: float


@dataclass(frozen=True)
class TimelineChart:
    """A timeline chart.

    Attributes:
        seconds: The length of the video.
        shots: The shots, labelled with their numbers.
        chapters: The chapters, labelled with their titles.
        stretches: Black, frozen, flashing and silent segments.
        curve: Points (share of the length, share of the highest value).
        frames: The keyframes.
        scale: Labels of the time axis (share of the length, text).
    """

    seconds: float
    shots: tuple[Band, ...]
    chapters: tuple[Band, ...]
    stretches: tuple[tuple[StretchType, Band], ...]
    curve: tuple[tuple[float, float], ...]
    frames: tuple[Tick, ...]
    scale: tuple[tuple[float, str], ...]


def chart_of(analysis: Analysis) -> TimelineChart | None:
    """Return the chart of an analysis, or None if no part of the video could be read."""
    decode = analysis.decode
    seconds = decode.readable_seconds
    if seconds <= 0:
        return None

    def band(start: float, end: float, label: str = "") -> Band:
        return Band(min(1.0, start / seconds), min(1.0, end / seconds), label)

    return TimelineChart(
        seconds=seconds,
        shots=tuple(band(shot.start_seconds, shot.end_seconds, str(shot.number)) for shot in decode.shots),
        chapters=tuple(
            band(chapter.start_seconds, chapter.end_seconds, chapter.title) for chapter in chapters_of(analysis)
        ),
        stretches=tuple(
            (stretch.type, band(stretch.start_seconds, stretch.end_seconds)) for stretch in decode.stretches
        ),
        curve=_curve(decode.measures, seconds) if decode.measures else (),
        frames=tuple(
            Tick(min(1.0, frame.time_seconds / seconds), frame.number, frame.time_seconds)
            for frame in analysis.keyframes
        ),
        scale=_scale(seconds),
    )


def cuts_chart(analysis: Analysis, cuts: Sequence[float]) -> TimelineChart | None:
    """Return the chart with the cuts a minute as its curve; None for less than a minute of video, or no cuts."""
    chart = chart_of(analysis)
    if chart is None or chart.seconds < _MINUTE or not cuts:
        return None
    steps = [index * chart.seconds / _MOST_POINTS for index in range(_MOST_POINTS + 1)]
    counts = [bisect_left(cuts, step + _MINUTE / 2) - bisect_left(cuts, step - _MINUTE / 2) for step in steps]
    curve = tuple((step / chart.seconds, count / max(counts)) for step, count in zip(steps, counts, strict=True))
    return replace(chart, curve=curve)


def busiest_minute(cuts: Sequence[float]) -> tuple[float, int]:
    """Return the start of the minute with most of these cuts, which rise, and their number."""
    counts = [(bisect_left(cuts, start + _MINUTE) - index, -index) for index, start in enumerate(cuts)]
    number, index = max(counts)
    return cuts[-index], number


def _curve(measures: Measures, seconds: float) -> tuple[tuple[float, float], ...]:
    """Return the maximum change of each interval; a mean would hide short events."""
    values = measures.change
    highest = max(values, default=0.0)
    if highest <= 0:
        return ()
    borders = sorted({round(index * len(values) / _MOST_POINTS) for index in range(_MOST_POINTS + 1)})
    return tuple(
        (
            min(1.0, (measures.start_seconds + (start + end) / 2 * measures.step_seconds) / seconds),
            max(values[start:end]) / highest,
        )
        for start, end in pairwise(borders)
    )


def _scale(seconds: float) -> tuple[tuple[float, str], ...]:
    step = next((candidate for candidate in _STEPS_SECONDS if seconds / candidate <= _TICKS), _STEPS_SECONDS[-1])
    times = [index * step for index in range(int(seconds / step) + 1)]
    return tuple((time / seconds, _short(time, step)) for time in times)


def _short(seconds: float, step: float) -> str:
    """Format a time like `clock`, without milliseconds if the step is whole seconds."""
    return clock(seconds)[: None if step < 1 else -4]
