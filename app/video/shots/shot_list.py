"""From cuts, fades and dissolves, each found on its own, to the boundaries of a video and the shots between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from app.core.domain import Boundary, Shot

_APART_SECONDS = 0.5
"""Two readings of one transition are at most this far apart, and no shot between them could be followed."""


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
