"""Shot list: boundaries from cuts, fades and dissolves, each cut placed at its first frame, and the shots between.

Frames that were skipped may lie around a cut. Most are known without decoding (app.video.readers.disposable_frames);
otherwise only those frames are decoded, and only where seeking there is cheap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.domain import Boundary, Shot, VideoInfo
from app.core.errors import AppError
from app.video.features.frame_signature import Glance, change, glance_at
from app.video.readers.base import Image
from app.video.seeking import AccurateSeeker, InaccurateSeekError

_APART_SECONDS = 0.5
"""Two readings of one transition are at most this far apart, and no shot between them could be followed."""
_MOST_FRAMES = 300
_MOST_SHARE = 0.05
"""So many frames, or this share of all, may be decoded for it, whichever is more: seconds at most, and a twentieth of
the work of a long survey."""


def joined(cuts: Sequence[Boundary], dissolves: Sequence[Boundary]) -> tuple[Boundary, ...]:
    """All boundaries in time order, one for each transition.

    A dissolve explains the cuts found inside of it; what begins or ends in black is a fade whatever else it may be,
    and beside a hard cut things that move can pass for a mixture.
    """
    kept: list[Boundary] = []
    for dissolve in sorted(dissolves, key=middle):
        overlaps = bool(kept) and dissolve.start_seconds < kept[-1].end_seconds
        if not overlaps and not any(_is_better(cut, dissolve) for cut in cuts):
            kept.append(dissolve)
    rest = [cut for cut in cuts if not any(d.start_seconds < cut.start_seconds <= d.end_seconds for d in kept)]
    return tuple(sorted([*kept, *rest], key=middle))


def middle(boundary: Boundary) -> float:
    return (boundary.start_seconds + boundary.end_seconds) / 2


def shots_between(boundaries: Sequence[Boundary], end_seconds: float, times: Sequence[float] = ()) -> tuple[Shot, ...]:
    """A shot ends with the frame in the middle of its transition. `times` are those of the frames that were looked at,
    in order; without them it is the middle itself. A cut stands at the time of its frame already.
    """
    starts = [0.0, *(_border(boundary, times) for boundary in boundaries)]
    ends = [*starts[1:], max(end_seconds, starts[-1])]
    return tuple(Shot(number, start, end) for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1))


def _border(boundary: Boundary, times: Sequence[float]) -> float:
    """The middle, or the time of the last frame that is not after it."""
    if boundary.type == "cut":
        return boundary.start_seconds
    place = bisect_right(times, middle(boundary))
    return times[place - 1] if place else middle(boundary)


def _is_better(cut: Boundary, dissolve: Boundary) -> bool:
    if cut.end_seconds < dissolve.start_seconds - _APART_SECONDS:
        return False
    if cut.start_seconds > dissolve.end_seconds + _APART_SECONDS:
        return False
    return cut.type == "fade" or not dissolve.start_seconds < cut.start_seconds <= dissolve.end_seconds


@dataclass(frozen=True)
class Between:
    """A cut after the frame `before` and not later than `after`: their index, seconds and looks."""

    before: tuple[int, float, Glance]
    after: tuple[int, float, Glance]


def first_frames(video: VideoInfo, cuts: Sequence[Between], num_frames: int) -> dict[float, float]:
    """For the seconds of `after` of each cut, the seconds of the first frame that shows the new shot, where found."""
    if not cuts:
        return {}
    left = max(_MOST_FRAMES, _MOST_SHARE * num_frames)
    found: dict[float, float] = {}
    try:
        with AccurateSeeker(video, rough=True) as jumper:
            jumper.check([cut.after[:2] for cut in cuts])
            for cut in cuts:
                cost = jumper.cost(cut.after[1])
                if cost <= left:
                    left -= cost
                    times = jumper.times_between(cut.before[1], cut.after[1])
                    found[cut.after[1]] = first_of(cut, ((time, jumper.at(time).levels()) for time in times))
    except (InaccurateSeekError, AppError, OSError):
        pass  # to be read in order only, or gone meanwhile: the times stay those of the frames that were surveyed
    return found


def first_of(cut: Between, between: Iterable[tuple[float, Image]]) -> float:
    """The seconds of the new shot's first frame; `between` are the seconds and levels of the frames passed over."""
    for seconds, levels in between:
        glance = glance_at(levels)
        if change(glance, cut.after[2]) < change(cut.before[2], glance):
            return seconds
    return cut.after[1]
