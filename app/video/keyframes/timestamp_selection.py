"""Timestamps of wanted frames, for strategies that name times, and the early keyframes of an opening.

Needs neither the video nor a decoder, so frames of a video that was surveyed before can be named without it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core.domain import DecodeSummary, Keyframe, Notice, Selection, Shot
from app.core.errors import InputError
from app.video.files import printable
from app.video.keyframes.strategies import SAME_SECONDS, TIMES, SurveyFacts, Wish, evenly, thinned

_SETTLES_SECONDS = 3.0
"""What began this long ago has been judged: a cut, the best frame after it, the state of a picture, a dissolve."""


@dataclass(frozen=True)
class Fetched:
    """What a child fetched for wishes; in which shots the frames are is not told."""

    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True)
class Known:
    """What the survey of a video or of a range of it told, on the axis of the whole video.

    `first` and `last` are (index, seconds) of the frames that were read, `whole_frames` the seconds of those that the
    codec stored whole, and `edges` what must be found in the file before a jump in it is trusted.
    """

    decode: DecodeSummary
    first: tuple[int, float]
    last: tuple[int, float]
    whole_frames: tuple[float, ...]
    edges: tuple[tuple[int, float], ...]

    def has(self, opening: Opening) -> bool:
        """Whether so much was read that the opening was told."""
        return self.last[1] - self.first[1] >= opening.settled_seconds


def wishes_of(
    known: Known, selection: Selection, frames: int, opening: Opening | None, name: str
) -> tuple[list[Wish], DecodeSummary]:
    """At most `frames` wishes in order of time, and the summary with what must be said about them. Raises InputError
    for none.
    """
    surveyed = SurveyFacts(known.first[1], known.decode.readable_seconds, known.decode.shots, known.whole_frames)
    if opening is not None and known.has(opening):
        begins, left = opening_wishes(surveyed.start_seconds, opening), frames - opening.frames
        return [*begins, *evenly(surveyed.start_seconds + opening.seconds, surveyed.end_seconds, left)], known.decode
    notices = list(known.decode.notices)
    found = TIMES[selection.strategy](selection, surveyed, frames)
    readable = f"{surveyed.end_seconds:.3f}"
    outside = len(set(selection.times_seconds)) - len(found)
    if selection.strategy == "times" and outside:
        notices.append(Notice("times_outside", {"count": outside, "readable": readable}))
    if not found:
        key = "codec_keyframes_unknown" if selection.strategy == "codec" else "times_without_frames"
        raise InputError(key, name=printable(name), readable=readable)
    kept = thinned(found, frames)
    if len(kept) < len(found):
        notices.append(Notice("frames_thinned", {"found": len(found), "kept": len(kept)}))
    return kept, replace(known.decode, notices=tuple(notices))


def names_times(selection: Selection) -> bool:
    """Whether it needs nothing but times of a whole video, which can be told from what is known of it."""
    return is_whole(selection) and selection.strategy in TIMES


def is_whole(selection: Selection) -> bool:
    """Whether it is about the whole video: then what is known of the video serves it."""
    return not selection.start_seconds and selection.end_seconds is None


def opening_wishes(start_seconds: float, opening: Opening) -> list[Wish]:
    """The opening divided evenly among its frames."""
    return evenly(start_seconds, start_seconds + opening.seconds, opening.frames)


def in_shots(keyframes: Sequence[Keyframe], shots: Sequence[Shot]) -> tuple[Keyframe, ...]:
    """The same with the numbers of the shots that show them."""
    starts = [shot.start_seconds for shot in shots]
    numbers = (max(1, bisect_right(starts, one.time_seconds + SAME_SECONDS)) for one in keyframes)
    return tuple(replace(one, shot=number) for one, number in zip(keyframes, numbers, strict=True))


@dataclass(frozen=True)
class Opening:
    """At most `frames` keyframes of the first `seconds` of the range are chosen as soon as those have been read."""

    seconds: float
    frames: int

    def __post_init__(self) -> None:
        if not self.seconds > 0 or self.frames < 1:
            raise ValueError(f"an opening of {self.seconds} s with {self.frames} frames; more than 0 and 1 are needed")

    @property
    def settled_seconds(self) -> float:
        """When so much has been read that all that lies in the opening is known for what it is."""
        return self.seconds + _SETTLES_SECONDS
