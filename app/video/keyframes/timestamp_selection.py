"""Timestamps of wanted frames, for strategies that select by time, and the early keyframes of an opening.

It needs neither the video nor a decoder, so frames of an already surveyed video can be selected without reading it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core import DecodeSummary, InputError, Keyframe, Notice, Selection, Shot
from app.video.files import printable
from app.video.keyframes.options import ExtractOptions, Opening
from app.video.keyframes.strategies import SAME_SECONDS, TIMES, SurveyFacts, Wish, evenly, thinned

Span = tuple[float, float]
"""Half-open part of a video: seconds from its start."""


@dataclass(frozen=True)
class Fetched:
    """Frames that were fetched for wishes; the numbers of their shots are not set.

    `damaged` are the numbers of those that their decoder reported as damaged.
    """

    keyframes: tuple[Keyframe, ...]
    damaged: tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """Results of the survey of a video or of a range, on the time axis of the whole video.

    `first` and `last` are (index, seconds) of the frames that were read, `whole_frames` the seconds of those that the
    codec stored whole, `edges` the (index, seconds) that a seek must find before its results are trusted, and `damaged`
    the parts that a second decoder did not confirm.
    """

    decode: DecodeSummary
    first: tuple[int, float]
    last: tuple[int, float]
    whole_frames: tuple[float, ...]
    edges: tuple[tuple[int, float], ...]
    damaged: tuple[Span, ...]

    def has(self, opening: Opening) -> bool:
        """Return whether enough was read for the opening to have been reported."""
        return self.last[1] - self.first[1] >= opening.settled_seconds


def wishes_of(known: Known, options: ExtractOptions, name: str) -> tuple[list[Wish], DecodeSummary]:
    """Return the wishes in time order, and the summary with the notices about them.

    Args:
        known: Results of the survey.
        options: Options with a strategy of TIMES.
        name: Name of the video, for messages.

    Raises:
        InputError: No frame matches the selection.
    """
    selection, frames, opening = options.selection, options.frames, options.opening
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
    """Return whether the selection needs only times of a whole video, which `Known` provides."""
    return is_whole(selection) and selection.strategy in TIMES


def is_whole(selection: Selection) -> bool:
    """Return whether the selection covers the whole video, so that `Known` of the video applies to it."""
    return not selection.start_seconds and selection.end_seconds is None


def opening_wishes(start_seconds: float, opening: Opening) -> list[Wish]:
    """Return wishes that divide the opening evenly among its frames."""
    return evenly(start_seconds, start_seconds + opening.seconds, opening.frames)


def in_shots(keyframes: Sequence[Keyframe], shots: Sequence[Shot]) -> tuple[Keyframe, ...]:
    """Return the keyframes with the numbers of the shots that contain them."""
    starts = [shot.start_seconds for shot in shots]
    numbers = (max(1, bisect_right(starts, one.time_seconds + SAME_SECONDS)) for one in keyframes)
    return tuple(replace(one, shot=number) for one, number in zip(keyframes, numbers, strict=True))


def with_damaged(
    decode: DecodeSummary, keyframes: Sequence[Keyframe], parts: Sequence[Span], numbers: Sequence[int] = ()
) -> DecodeSummary:
    """Return `decode` with a notice for each keyframe in a damaged part, and for those with these numbers."""
    shown = (
        one.number
        for one in keyframes
        if one.number in numbers
        or any(start - SAME_SECONDS <= one.time_seconds < end - SAME_SECONDS for start, end in parts)
    )
    notices = (Notice("damaged_keyframe", {"number": number}) for number in shown)
    return replace(decode, notices=(*decode.notices, *notices))
