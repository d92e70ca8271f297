"""Strategies that select frames by time: one function each, and their registry.

"auto" is not among them: it compares the frames themselves, in app.video.keyframes.selector. Nothing here reads a
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from app.core import Reason, Selection, Shot, Strategy


@dataclass(frozen=True)
class SurveyFacts:
    """Surveyed range [start_seconds, end_seconds), its shots and the times of the frames the codec stored whole."""

    start_seconds: float
    end_seconds: float
    shots: Sequence[Shot]
    whole_frames: Sequence[float]


@dataclass(frozen=True)
class Wish:
    """Wanted frame: the one shown at `time_seconds`."""

    time_seconds: float
    reason: Reason


SAME_SECONDS = 1e-5
"""Two times nearer than this are the same: timestamps are whole ticks, and ticks in use are a microsecond or longer."""
_MOST_WISHES = 100_000
"""Most wishes: a file whose header claims years must not fill memory. Far fewer frames than this are kept, so the exact
value has no effect. Chosen by hand."""

Times = Callable[[Selection, SurveyFacts, int], list[Wish]]


def uniform(_selection: Selection, surveyed: SurveyFacts, frames: int) -> list[Wish]:
    """Return the middle of each of `frames` equal parts."""
    return evenly(surveyed.start_seconds, surveyed.end_seconds, frames)


def evenly(start_seconds: float, end_seconds: float, frames: int) -> list[Wish]:
    """Return the middle of each of `frames` equal parts of [start, end); none for no frames."""
    step = (end_seconds - start_seconds) / max(1, frames)
    return [Wish(start_seconds + (place + 0.5) * step, "even") for place in range(frames)]


def every(selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[Wish]:
    """Return the start of the range and each `every_seconds` after it."""
    step = max(selection.every_seconds or 1.0, (surveyed.end_seconds - surveyed.start_seconds) / _MOST_WISHES)
    times = (surveyed.start_seconds + place * step for place in count())
    return [Wish(time, "interval") for time in takewhile(lambda time: time < surveyed.end_seconds, times)]


def scenes(_selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[Wish]:
    """Return the first frame of each shot; after a gradual transition, the one where it is over."""
    return [Wish(shot.start_seconds, "shot") for shot in surveyed.shots]


def codec(_selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[Wish]:
    """Return each frame that the codec stored whole."""
    return [Wish(time, "codec") for time in surveyed.whole_frames]


def times(selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[Wish]:
    """Return the given times that lie in the range, sorted and each once."""
    inside = (t for t in selection.times_seconds if surveyed.start_seconds <= t < surveyed.end_seconds)
    return [Wish(time, "asked") for time in sorted(set(inside))]


TIMES: dict[Strategy, Times] = {
    "uniform": uniform,
    "every": every,
    "scenes": scenes,
    "codec": codec,
    "times": times,
}


def thinned(wishes: Sequence[Wish], frames: int) -> list[Wish]:
    """Return at most `frames` of the wishes, evenly among them, with the first and, of two or more, the last."""
    if len(wishes) <= frames:
        return list(wishes)
    step = (len(wishes) - 1) / max(1, frames - 1)
    return [wishes[round(place * step)] for place in range(frames)]
