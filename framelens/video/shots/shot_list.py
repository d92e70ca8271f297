"""Shot list: boundaries from cuts, fades and dissolves, each cut placed at its first frame, and the shots between.

Skipped frames may lie around a cut. Most of them are decoded in the first pass
(framelens.video.readers.packets); otherwise only these frames are decoded, and only where seeking is cheap.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from framelens.core.domain import Boundary, Shot, VideoInfo
from framelens.core.errors import AppError
from framelens.video.features.frame_signature import Glance, change, glance_at
from framelens.video.readers.base import Image
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError

_APART_SECONDS = 0.5
"""Two readings of the same transition are at most this far apart; a viewer couldn't follow a shot between them."""
_LONGEST_TURN_SECONDS = 3.0
"""Longest time, with the above on either side, in which one page becomes another by a cut or a dissolve."""
_MOST_FRAMES = 300
_MOST_SHARE = 0.05
"""Frames that may be decoded to place the cuts: this number or share, whichever is more. It takes seconds at most, or a
twentieth of the work of a long survey."""


def joined(cuts: Sequence[Boundary], dissolves: Sequence[Boundary]) -> tuple[Boundary, ...]:
    """Merge all boundaries in time order, one for each transition.

    A dissolve replaces the cuts found inside it. A transition from or to black stays a fade, and next to a hard cut
    movement can look like a dissolve, so the cut stays.
    """
    chosen: list[Boundary] = []
    for dissolve in sorted(dissolves, key=attrgetter("time_seconds")):
        is_repeat = bool(chosen) and dissolve.start_seconds < chosen[-1].end_seconds + _APART_SECONDS
        if not is_repeat and not any(_is_better(cut, dissolve) for cut in cuts):
            chosen.append(dissolve)
    rest = [cut for cut in cuts if not any(d.start_seconds < cut.start_seconds <= d.end_seconds for d in chosen)]
    return tuple(sorted([*chosen, *rest], key=attrgetter("time_seconds")))


def with_pages(boundaries: Sequence[Boundary], pages: Sequence[Boundary]) -> tuple[Boundary, ...]:
    """Merge changes of page into the boundaries. Between two pages a cut or a dissolve is a change of page.

    If other footage was shown between them, its boundaries stay.
    """
    changes, rest = list[Boundary](), list(boundaries)
    for page in pages:
        start, end = page.start_seconds - _APART_SECONDS, page.end_seconds + _APART_SECONDS
        inside = [other for other in rest if start <= other.time_seconds <= end]
        if not inside or end - start < _LONGEST_TURN_SECONDS:
            changes.append(page)
            rest = [other for other in rest if other not in inside]
    return tuple(sorted([*changes, *rest], key=attrgetter("time_seconds")))


def shots_between(boundaries: Sequence[Boundary], end_seconds: float, times: Sequence[float] = ()) -> tuple[Shot, ...]:
    """List the shots between boundaries. A shot ends in the middle of its transition, a page before the next begins.

    Args:
        boundaries: In time order. A cut and a page are already at the time of their first frame.
        end_seconds: The end of the video.
        times: Times of the surveyed frames, rising. Without them a shot ends in the middle of its transition.
    """
    starts = [0.0, *(_border(boundary, times) for boundary in boundaries)]
    ends = [*starts[1:], max(end_seconds, starts[-1])]
    return tuple(Shot(number, start, end) for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1))


def _border(boundary: Boundary, times: Sequence[float]) -> float:
    """Return the time of the last frame that is not after the middle, or else the middle."""
    if boundary.type in ("cut", "page"):
        return boundary.start_seconds
    index = bisect_right(times, boundary.time_seconds)
    return times[index - 1] if index else boundary.time_seconds


def _is_better(cut: Boundary, dissolve: Boundary) -> bool:
    if cut.end_seconds < dissolve.start_seconds - _APART_SECONDS:
        return False
    if cut.start_seconds > dissolve.end_seconds + _APART_SECONDS:
        return False
    return cut.type == "fade" or not dissolve.start_seconds < cut.start_seconds <= dissolve.end_seconds


@dataclass(frozen=True)
class Between:
    """A cut after the frame `before` and at `after` at the latest, each (index, seconds, glance)."""

    before: tuple[int, float, Glance]
    after: tuple[int, float, Glance]


def first_frames(video: VideoInfo, cuts: Sequence[Between], num_frames: int) -> dict[float, float]:
    """Return {seconds of the cut's `after`: seconds of the first frame of the new shot} for the cuts that are found."""
    if not cuts:
        return {}
    left = max(_MOST_FRAMES, _MOST_SHARE * num_frames)
    starts: dict[float, float] = {}
    try:
        with AccurateSeeker(video, rough=True) as jumper:
            jumper.check([cut.after[:2] for cut in cuts])
            for cut in cuts:
                cost = jumper.cost(cut.after[1])
                if cost <= left:
                    left -= cost
                    times = jumper.times_between(cut.before[1], cut.after[1])
                    starts[cut.after[1]] = first_of(cut, ((time, jumper.at(time).levels()) for time in times))
    except (InaccurateSeekError, AppError, OSError):
        pass  # the file can't be sought in, or was deleted: the cuts keep the times of surveyed frames
    return starts


def first_of(cut: Between, between: Iterable[tuple[float, Image]]) -> float:
    """Return the seconds of the new shot's first frame; `between` are (seconds, levels) of the skipped frames."""
    for seconds, levels in between:
        glance = glance_at(levels)
        if change(glance, cut.after[2]) < change(cut.before[2], glance):
            return seconds
    return cut.after[1]
