"""Kind of footage, and what moves in it, from the measurements along a video; no model, no decoding.

Times are exact to a step of the measurements: a quarter of a second up to 150 s of video, a 600th of a longer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Literal

from framelens.core.domain import Boundary, DecodeSummary, Keyframe, Measures, Shot, Stretch

Footage = Literal["film", "camera"]
_FILM_SHOT_SECONDS = 60.0
"""Mean length of a film's shots, at most: a camera's picture seldom has a cut that is none."""
_QUIET_SHARE = 0.1
"""Share of a video that counts as still: its noise is the motion that this share doesn't exceed."""
_MOST_NOISE = 0.004
"""Most noise, as motion a second: the quietest seconds of thirty real cameras have 0.0006 to 0.009 (see Stillness in
framelens.video.features.timeline_metrics); more is something that moves all the time."""
_MOVES = 3.0
_LEAST_MOTION = 0.006
"""Motion of something that moves: as many times the noise, and never less. One person at the far end of a yard moves
the picture by 0.01 to 0.05, one who passes by 0.1, leaves in the wind 0.004 to 0.009."""
_SMOOTH_SECONDS = 1.0
_PAUSE_SECONDS = 2.0
"""Shortest time in which nothing moves between two stretches in which something does."""
_NEAR_SECONDS = 5.0
"""Longest time between a stretch and a picture in place of its own."""
_LIGHT = 0.1
"""Least change of the mean brightness when a light is switched; a car that fills a third of the picture makes as
much, and is gone within `_LIGHT_SECONDS`."""
_LIGHT_SECONDS = 5.0
_SWITCH_SECONDS = 1.5
"""Longest time in which a light is switched: clouds and dusk take longer."""


@dataclass(frozen=True)
class Activity:
    """A stretch [start_seconds, end_seconds) in which something moves, most of all at `peak_seconds`."""

    start_seconds: float
    end_seconds: float
    peak_seconds: float


@dataclass(frozen=True)
class LightChange:
    """A moment at which the picture gets much brighter or darker, and stays so."""

    time_seconds: float
    is_on: bool


def footage_of(decode: DecodeSummary) -> Footage:
    """Return what a video without pages of text is.

    It is a "film" where cuts and other transitions make shots of a minute or less on average, else what a "camera" has
    recorded: one look at one place, or a single take. A switched light is no cut.
    """
    cuts = len(transitions(decode))
    return "film" if cuts and decode.readable_seconds <= _FILM_SHOT_SECONDS * (cuts + 1) else "camera"


def transitions(decode: DecodeSummary) -> dict[int, Boundary]:
    """Map the numbers of the shots to the transitions that they begin with.

    There are none where every cut is a light that is switched: the picture before and after is the same place.
    """
    switched = [light.time_seconds for light in light_changes(decode.measures)]
    if all(_is_at(boundary, switched) for boundary in decode.boundaries):
        return {}
    return {
        shot.number: boundary
        for shot in decode.shots
        for boundary in decode.boundaries
        if boundary.start_seconds <= shot.start_seconds <= boundary.end_seconds
    }


def _is_at(boundary: Boundary, times: Sequence[float]) -> bool:
    return boundary.type == "cut" and any(abs(time - boundary.start_seconds) <= _SWITCH_SECONDS for time in times)


def activities(measures: Measures | None, end_seconds: float) -> tuple[Activity, ...]:
    """List the stretches in which something moves, in time order.

    What moves exceeds the noise of this video, the motion of its quietest tenth, three times. Motion is averaged over a
    second to find a stretch, whose ends are the first and the last step that exceed the limit themselves.
    """
    if measures is None or not measures.motion:
        return ()
    step, motion = measures.step_seconds, measures.motion
    smooth = _smooth(motion, max(1, round(_SMOOTH_SECONDS / step)))
    limit = motion_limit(smooth)
    runs = _join_runs([(run[0], run[-1] + 1) for run in _runs(smooth, limit)], round(_PAUSE_SECONDS / step))
    light = [change.time_seconds for change in light_changes(measures)]
    result = []
    for first, last in runs:
        exceeding = [index for index in range(first, last) if motion[index] > limit]
        first, last = (exceeding[0], exceeding[-1] + 1) if exceeding else (first, last)
        start, end = (measures.start_seconds + index * step for index in (first, last))
        is_switched = any(start - step <= time <= end + step for time in light) and end - start <= _SWITCH_SECONDS
        if not is_switched:
            peak = max(range(first, last), key=motion.__getitem__)
            result.append(Activity(start, min(end, end_seconds), measures.start_seconds + (peak + 0.5) * step))
    return tuple(result)


def motion_limit(motion: Sequence[float]) -> float:
    """Return the motion a second above which something moves, from the noise of the video."""
    noise = sorted(motion)[int(_QUIET_SHARE * (len(motion) - 1))]
    return max(_LEAST_MOTION, _MOVES * min(noise, _MOST_NOISE))


def quiet_spans(
    others: Sequence[Activity | Stretch], start_seconds: float, end_seconds: float
) -> list[tuple[float, float]]:
    """List the spans of [start_seconds, end_seconds) outside all others, as long as a pause at least."""
    spans, reached = [], start_seconds
    parts = sorted((part.start_seconds, part.end_seconds) for part in others)
    for start, end in (*parts, (end_seconds, end_seconds)):
        if start - reached >= _PAUSE_SECONDS:
            spans.append((reached, start))
        reached = max(reached, end)
    return spans


def light_changes(measures: Measures | None) -> tuple[LightChange, ...]:
    """List the moments after which the whole picture stays brighter or darker than it was for seconds before."""
    if measures is None:
        return ()
    step, light = measures.step_seconds, measures.brightness
    around, within = max(2, round(_LIGHT_SECONDS / step)), max(1, round(_SWITCH_SECONDS / step))
    jumps = [0.0] * len(light)
    for index in range(around, len(light) - around - within + 1):
        before, after = light[index - around : index], light[index + within : index + within + around]
        jumps[index] = max(min(after) - max(before), 0.0) - max(min(before) - max(after), 0.0)
    changes = []
    for run in _runs([abs(jump) for jump in jumps], _LIGHT):
        turn = max(range(run[0], run[-1] + within + 1), key=lambda index: abs(light[index] - light[index - 1]))
        changes.append(LightChange(measures.start_seconds + turn * step, jumps[run[0]] > 0))
    return tuple(changes)


def picture_at(frames: Sequence[Keyframe], activity: Activity) -> Keyframe | None:
    """Return the keyframe with a picture nearest to the strongest motion of a stretch, within it if possible."""
    start, end = activity.start_seconds, activity.end_seconds
    stored = [frame for frame in frames if frame.jpeg]
    within = [frame for frame in stored if start <= frame.time_seconds < end]
    near = [frame for frame in stored if start - _NEAR_SECONDS <= frame.time_seconds < end + _NEAR_SECONDS]
    return min(within or near, key=lambda frame: abs(frame.time_seconds - activity.peak_seconds), default=None)


def picture_of_shot(frames: Sequence[Keyframe], shot: Shot) -> Keyframe | None:
    """Return the first keyframe with a picture within a shot."""
    return next(
        (frame for frame in frames if frame.jpeg and shot.start_seconds <= frame.time_seconds < shot.end_seconds), None
    )


def _smooth(values: Sequence[float], width: int) -> list[float]:
    before, after = width // 2, width - width // 2
    return [fmean(values[max(0, index - before) : index + after]) for index in range(len(values))]


def _runs(values: Sequence[float], limit: float) -> Iterator[list[int]]:
    """Yield the places of each run of values above a limit."""
    for is_above, indices in groupby(range(len(values)), key=lambda index: values[index] > limit):
        if is_above:
            yield list(indices)


def _join_runs(runs: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    """Join runs [first, last) with fewer steps than a pause between them."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] < pause:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
