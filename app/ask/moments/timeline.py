"""Votes along a video as intervals: runs of agreeing frames, their borders, and the gaps between looks.

A run is a row of looked-at frames with the same answer. One frame alone proves nothing: a single yes between two
frames that say no is dropped, and so is less than a tenth of a second. A single no inside a run of yes, or a pause too
short to be one, is taken for a mistake and marks the interval uncertain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from app.core import Interval as Interval
from app.core import Issue as Issue
from app.core import Moments as Moments
from app.core import Point as Point
from app.core import SearchEnd as SearchEnd
from app.core import VoteSample as VoteSample

SHORTEST_SECONDS = 0.2
"""Shorter pauses are flicker: somebody passes in front, or the model errs. A single frame that is shown for longer, as
in a recorded slide show, counts like two. Chosen by hand; not tuned."""
_FLASH_SECONDS = 0.1
"""Less proves nothing, however many frames it is. Chosen by hand; not tuned."""
NEAR_SECONDS = 1.0
"""Two frames at most this far apart can confirm each other. Chosen by hand; not tuned."""
SAME_SECONDS = 0.001
"""Frames that are closer are neighbours, whatever their indexes."""


@dataclass
class Run:
    """A row of neighbouring samples with the same answer, apart from the single ones that were overruled."""

    says_yes: bool
    samples: list[VoteSample]
    num_overruled: int = 0

    @property
    def is_confirmed(self) -> bool:
        """Return whether two of its frames that agree are near each other, or one is shown for long."""
        agreeing = [one for one in self.samples if one.says_yes == self.says_yes]
        is_long = any(one.until_seconds - one.time_seconds >= SHORTEST_SECONDS for one in agreeing)
        return is_long or any(two.time_seconds - one.until_seconds <= NEAR_SECONDS for one, two in pairwise(agreeing))


def are_neighbours(before: VoteSample, after: VoteSample) -> bool:
    """Return whether no frame is between two samples."""
    is_next = after.frame_index - before.frame_index <= 1
    return is_next or after.time_seconds - before.until_seconds < SAME_SECONDS


def runs_of(samples: Sequence[VoteSample]) -> list[Run]:
    """Return the runs of samples in time order, neighbours with different answers, single frames overruled."""
    runs = [Run(yes, list(group)) for yes, group in groupby(samples, key=lambda one: one.says_yes)]
    return _overrule(_overrule(runs, _is_alone, says_yes=True), _is_flicker, says_yes=False)


def _overrule(runs: Sequence[Run], is_overruled: Callable[[Run, Run, Run], bool], *, says_yes: bool) -> list[Run]:
    """Return the runs with those of one answer that are overruled joined with the runs before and after."""
    kept: list[Run] = []
    for place, run in enumerate(runs):
        before, after = kept[-1] if kept else None, runs[place + 1] if place + 1 < len(runs) else None
        if before and before.says_yes == run.says_yes:
            before.samples += run.samples
            before.num_overruled += run.num_overruled
        elif run.says_yes == says_yes and before and after and is_overruled(before, run, after):
            before.samples += run.samples
            before.num_overruled += 1
        else:
            kept.append(run)
    return kept


def _is_flicker(before: Run, pause: Run, after: Run) -> bool:
    seconds = after.samples[0].time_seconds - before.samples[-1].until_seconds
    is_short = seconds < SHORTEST_SECONDS or _is_alone(before, pause, after)
    return is_short and before.is_confirmed and after.is_confirmed


def _is_alone(before: Run, run: Run, after: Run) -> bool:
    """Return whether a run is one frame or a moment's flash, and the frames next to it have been looked at."""
    earlier, later = before.samples[-1], after.samples[0]
    seconds = later.time_seconds - run.samples[0].time_seconds
    is_brief = seconds < (SHORTEST_SECONDS if len(run.samples) == 1 else _FLASH_SECONDS)
    return is_brief and are_neighbours(earlier, run.samples[0]) and are_neighbours(run.samples[-1], later)


def intervals_of(samples: Sequence[VoteSample], contrary: Mapping[int, float]) -> tuple[Interval, ...]:
    """Return the intervals that two agreeing frames confirm, in time order."""
    runs = runs_of(samples)
    around = zip([None, *runs[:-1]], runs, [*runs[1:], None], strict=True)
    return tuple(_interval(*three, contrary) for three in around if three[1].says_yes and three[1].is_confirmed)


def _interval(before: Run | None, run: Run, after: Run | None, contrary: Mapping[int, float]) -> Interval:
    yes = [one for one in run.samples if one.says_yes]
    best = max(yes, key=lambda one: one.probability)
    asked = [contrary[one.frame_index] for one in yes if one.frame_index in contrary]
    absent = round(sum(asked) / len(asked), 4) if asked else None
    outside = before.samples[-1] if before else None, after.samples[0] if after else None
    is_exact = (outside[0] is None or are_neighbours(outside[0], yes[0])) and (
        outside[1] is None or are_neighbours(yes[-1], outside[1])
    )
    found: dict[Issue, bool] = {
        "borders": not is_exact,
        "flicker": run.num_overruled > 0,
        "contrary": absent is not None and absent > 0.5,
    }
    return Interval(
        first=_point(yes[0]),
        last=_point(yes[-1]),
        before=outside[0] and _point(outside[0]),
        after=outside[1] and _point(outside[1]),
        best=_point(best),
        yes=len(yes),
        no=len(run.samples) - len(yes),
        probability=round(sum(one.probability for one in run.samples) / len(run.samples), 4),
        contrary=absent,
        issues=tuple(issue for issue, is_so in found.items() if is_so),
    )


def _point(sample: VoteSample) -> Point:
    return Point(sample.frame_index, sample.time_seconds)


def is_doubted(one: Interval) -> bool:
    """Return whether the model is surer that the thing is absent than that it is visible."""
    return one.contrary is not None and one.contrary > max(0.5, one.probability)


def added(samples: Sequence[VoteSample], new: Iterable[VoteSample]) -> tuple[VoteSample, ...]:
    """Return the samples with further ones, in time order; a frame that was decoded again is shown that much longer."""
    by_index = {one.frame_index: one for one in samples}
    for one in new:
        known = by_index.setdefault(one.frame_index, one)
        by_index[one.frame_index] = known._replace(until_seconds=max(known.until_seconds, one.until_seconds))
    return tuple(sorted(by_index.values(), key=lambda one: one.time_seconds))


def widest_gap(samples: Sequence[VoteSample], start_seconds: float, end_seconds: float) -> float:
    """Return the longest time in seconds in which no frame was looked at."""
    ends = [start_seconds, *(one.until_seconds for one in samples)]
    starts = [*(one.time_seconds for one in samples), end_seconds]
    return max(0.0, *(start - end for end, start in zip(ends, starts, strict=True)))


def strip(found: Moments, cells: int = 40) -> str:
    """Draw the part that is searched in one line: "█" where the thing is visible, "·" where it isn't, " " unseen."""
    step = (found.end_seconds - found.start_seconds) / cells or 1.0
    drawn = [" "] * cells

    def cell(seconds: float) -> int:
        return min(cells - 1, int((seconds - found.start_seconds) / step))

    for sample in found.samples:
        drawn[cell(sample.time_seconds)] = "·"
    for one in found.intervals:
        first, last = cell(one.first.time_seconds), cell(one.last.time_seconds)
        drawn[first : last + 1] = "█" * (last - first + 1)
    return "".join(drawn)
