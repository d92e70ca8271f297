"""Votes along a video as intervals: runs of agreeing frames, their borders, and the gaps between looks.

A run is a row of looked-at frames with the same answer. A single vote of a model proves nothing: a single yes between
two frames that say no is dropped, and so is less than a tenth of a second; words that were read were there. A single no
inside a run of yes, or a very short pause, is taken for a mistake and marks the interval uncertain.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import fmean
from typing import Literal

from framelens.core.evidence import Interval, Issue, Lookalike, Moments, Point, VoteSample
from framelens.questions.retrieval.text_matching import is_letter_by_letter

Doubt = Literal["", "contrary", "changed", "lookalike"]
SHORTEST_SECONDS = 0.2
"""Shorter pauses are flicker: somebody passes in front, or the model errs. A single frame that is shown for longer, as
in a recorded slide show, counts like two."""
_FLASH_SECONDS = 0.1
"""Less proves nothing, however many frames it is."""
NEAR_SECONDS = 1.0
"""Two frames at most this far apart can confirm each other."""
SAME_SECONDS = 0.001
"""Frames that are closer are neighbours, whatever their indexes."""
_SURER = 0.05
"""By how much the vote on something that looks alike must be higher for an interval not to count: two things that are
really in a picture both get votes near 1."""
_CHECKED = 10
"""Most intervals that are checked in a round."""


@dataclass
class Run:
    """A row of neighbouring samples with the same answer, apart from single samples that were overruled."""

    says_yes: bool
    samples: list[VoteSample]
    num_overruled: int = 0
    is_read: bool = False

    @property
    def is_confirmed(self) -> bool:
        """Return whether two agreeing frames are near each other, or one is shown for long or was read."""
        agreeing = self.agreeing
        is_long = any(sample.until_seconds - sample.time_seconds >= SHORTEST_SECONDS for sample in agreeing)
        return (
            self.is_read
            or is_long
            or any(later.time_seconds - earlier.until_seconds <= NEAR_SECONDS for earlier, later in pairwise(agreeing))
        )

    @property
    def agreeing(self) -> list[VoteSample]:
        """Return its samples without those that were overruled."""
        return [sample for sample in self.samples if sample.says_yes == self.says_yes]

    @property
    def best(self) -> VoteSample:
        """Return the agreeing sample with the highest vote."""
        return max(self.agreeing, key=lambda sample: sample.probability)


def are_neighbours(before: VoteSample, after: VoteSample) -> bool:
    """Return whether no frame is between two samples."""
    is_next = after.frame_index - before.frame_index <= 1
    return is_next or after.time_seconds - before.until_seconds < SAME_SECONDS


def runs_of(moments: Moments) -> list[Run]:
    """Return the runs of samples in time order, neighbours with different answers, single votes overruled."""
    is_read = moments.by == "text"
    groups = groupby(moments.samples, key=lambda sample: sample.says_yes)
    runs = [Run(yes, list(group), is_read=is_read and yes) for yes, group in groups]
    return _overrule(runs if is_read else _overrule(runs, _is_alone, says_yes=True), _is_flicker, says_yes=False)


def _overrule(runs: Sequence[Run], is_overruled: Callable[[Run, Run, Run], bool], *, says_yes: bool) -> list[Run]:
    """Return the runs, with each overruled run of the answer `says_yes` joined with the runs before and after."""
    joined: list[Run] = []
    for index, run in enumerate(runs):
        before, after = joined[-1] if joined else None, runs[index + 1] if index + 1 < len(runs) else None
        if before and before.says_yes == run.says_yes:
            before.samples += run.samples
            before.num_overruled += run.num_overruled
        elif run.says_yes == says_yes and before and after and is_overruled(before, run, after):
            before.samples += run.samples
            before.num_overruled += 1
        else:
            joined.append(run)
    return joined


def _is_flicker(before: Run, pause: Run, after: Run) -> bool:
    seconds = after.samples[0].time_seconds - before.samples[-1].until_seconds
    is_short = seconds < SHORTEST_SECONDS or _is_alone(before, pause, after)
    return is_short and before.is_confirmed and after.is_confirmed


def _is_alone(before: Run, run: Run, after: Run) -> bool:
    """Return whether a run is a single frame or a moment's flash, and the frames next to it have been looked at."""
    earlier, later = before.samples[-1], after.samples[0]
    seconds = later.time_seconds - run.samples[0].time_seconds
    is_brief = seconds < (SHORTEST_SECONDS if len(run.samples) == 1 else _FLASH_SECONDS)
    return is_brief and are_neighbours(earlier, run.samples[0]) and are_neighbours(run.samples[-1], later)


def neighbours(runs: Sequence[Run]) -> Iterator[tuple[Run | None, Run, Run | None]]:
    """Yield each run with the runs before and after it."""
    return zip([None, *runs[:-1]], runs, [*runs[1:], None], strict=True)


def _confirmed_runs(moments: Moments) -> list[tuple[Run | None, Run, Run | None]]:
    """Return the runs that are intervals, with the runs before and after."""
    return [three for three in neighbours(runs_of(moments)) if three[1].says_yes and three[1].is_confirmed]


def intervals_of(moments: Moments) -> tuple[Interval, ...]:
    """Return the intervals that two agreeing frames confirm, in time order."""
    pieces = (piece for three in _confirmed_runs(moments) for piece in _pieces(*three))
    return tuple(_interval(*piece, moments) for piece in pieces if piece[1].agreeing and piece[1].is_confirmed)


def _pieces(before: Run | None, run: Run, after: Run | None) -> Iterator[tuple[Run | None, Run, Run | None]]:
    """Yield the parts of a run of readings between which so much was not read that the words may be gone meanwhile."""
    rows = [[run.samples[0]]]
    for earlier, later in pairwise(run.samples):
        if run.is_read and _is_apart(earlier.until_seconds, later.time_seconds):
            rows.append([])
        rows[-1].append(later)
    for number, samples in enumerate(rows):
        overruled = sum(not yes for yes, _ in groupby(samples, key=lambda sample: sample.says_yes))
        piece = Run(says_yes=True, samples=samples, num_overruled=overruled, is_read=run.is_read)
        yield None if number else before, piece, after if number == len(rows) - 1 else None


def _is_apart(end: float, start: float) -> bool:
    """Return whether what happens between two looks is unknown."""
    return start - end > NEAR_SECONDS


def unread_between(intervals: Sequence[Interval]) -> list[tuple[float, float]]:
    """Return the times between intervals that may be one, because no frame between them was read."""
    return [
        (earlier.end_seconds, later.start_seconds)
        for earlier, later in pairwise(intervals)
        if earlier.after is None and later.before is None
    ]


def _interval(before: Run | None, run: Run, after: Run | None, moments: Moments) -> Interval:
    yes = run.agreeing
    probability = round(fmean(sample.probability for sample in run.samples), 4)
    contrary = _votes_of(yes, moments.contrary)
    absent = round(fmean(contrary), 4) if contrary else None
    changed = _votes_of(yes, moments.changed)
    alike = _lookalike(yes, beside(before, run, after), moments.lookalikes or {})
    outside = before.samples[-1] if before else None, after.samples[0] if after else None
    is_exact = (outside[0] is None or are_neighbours(outside[0], yes[0])) and (
        outside[1] is None or are_neighbours(yes[-1], outside[1])
    )
    gone = outside[1].time_seconds if outside[1] else max(moments.end_seconds, yes[-1].until_seconds)
    if run.is_read:
        start = outside[0].until_seconds if outside[0] else moments.start_seconds
        is_exact = is_exact and not _is_apart(start, yes[0].time_seconds)
        if _is_apart(yes[-1].until_seconds, gone):
            gone, is_exact = yes[-1].until_seconds, False
    read = moments.texts.get(run.best.frame_index, "")
    is_so: dict[Issue, bool] = {
        "borders": not is_exact,
        "misread" if moments.by == "text" else "flicker": run.num_overruled > 0,
        "letters": moments.by == "text" and not is_letter_by_letter(moments.thing, read),
        "contrary": absent is not None and absent > 0.5,
        "lookalike": alike is not None and alike.probability >= probability,
    }
    return Interval(
        first=_point(yes[0]),
        last=_point(yes[-1]),
        before=outside[0] and _point(outside[0]),
        after=outside[1] and _point(outside[1]),
        best=_point(run.best),
        yes=len(yes),
        no=len(run.samples) - len(yes),
        probability=probability,
        contrary=absent,
        changed=round(fmean(changed), 4) if changed else None,
        lookalike=alike,
        issues=tuple(issue for issue, is_true in is_so.items() if is_true),
        gone_seconds=gone,
    )


def _point(sample: VoteSample) -> Point:
    return Point(sample.frame_index, sample.time_seconds)


def _votes_of(samples: Iterable[VoteSample], votes: Mapping[int, float]) -> list[float]:
    return [votes[sample.frame_index] for sample in samples if sample.frame_index in votes]


def _lookalike(
    inside: Sequence[VoteSample], outside: Sequence[VoteSample], votes: Mapping[str, Mapping[int, float]]
) -> Lookalike | None:
    """Return the lookalike with the highest mean vote inside, if that says yes and no vote outside does."""
    lookalikes = [
        Lookalike(thing, round(fmean(inside_votes), 4))
        for thing, thing_votes in votes.items()
        if (inside_votes := _votes_of(inside, thing_votes))
        and not any(vote > 0.5 for vote in _votes_of(outside, thing_votes))
    ]
    return max(
        (lookalike for lookalike in lookalikes if lookalike.probability > 0.5),
        key=lambda lookalike: lookalike.probability,
        default=None,
    )


def doubt_of(interval: Interval) -> Doubt:
    """Return why an interval doesn't count, "" if it does.

    The model is surer of the absence; doesn't see the thing in slightly changed pictures; is surer of a lookalike.
    """
    if interval.contrary is not None and interval.contrary > max(0.5, interval.probability):
        return "contrary"
    if interval.changed is not None and interval.changed <= 0.5:
        return "changed"
    is_surer = interval.lookalike is not None and interval.lookalike.probability > interval.probability + _SURER
    return "lookalike" if is_surer else ""


def inside(run: Run) -> tuple[VoteSample, ...]:
    """Return some frames of a run that are asked about again: the best frame, and a frame in either half."""
    yes = run.agreeing
    return tuple(
        {sample.frame_index: sample for sample in (run.best, yes[len(yes) // 4], yes[3 * len(yes) // 4])}.values()
    )


def beside(before: Run | None, run: Run, after: Run | None) -> tuple[VoteSample, ...]:
    """Return a frame on either side of a run, not right at its borders: the wanted thing may fade in and out."""
    start, end = run.samples[0].time_seconds - NEAR_SECONDS, run.samples[-1].until_seconds + NEAR_SECONDS
    earlier, later = before.agreeing if before else [], after.agreeing if after else []
    sides = (
        next((sample for sample in reversed(earlier) if sample.time_seconds <= start), next(iter(earlier), None)),
        next((sample for sample in later if sample.time_seconds >= end), next(reversed(later), None)),
    )
    return tuple(side for side in sides if side)


def unchecked(moments: Moments, votes: Mapping[int, float]) -> list[tuple[VoteSample, ...]]:
    """Return some frames of each of the next intervals whose frames have no vote in `votes`."""
    return [inside(run) for _, run, _ in _confirmed_runs(moments) if not _votes_of(run.samples, votes)][:_CHECKED]


def open_lookalikes(moments: Moments) -> dict[str, list[VoteSample]]:
    """Return, for each thing that looks alike, the frames that are to be asked about next.

    The frames next to an interval matter only where frames inside say yes.
    """
    samples_by_thing: dict[str, list[VoteSample]] = {}
    confirmed = _confirmed_runs(moments)
    for thing, votes in (moments.lookalikes or {}).items():
        new = []
        for before, run, after in confirmed:
            inside_votes, outside = _votes_of(run.samples, votes), beside(before, run, after)
            if not inside_votes:
                new.append(inside(run))
            elif outside and fmean(inside_votes) > 0.5 and not _votes_of(outside, votes):
                new.append(outside)
        if frames := [sample for samples in new[:_CHECKED] for sample in samples]:
            samples_by_thing[thing] = frames
    return samples_by_thing


def added(samples: Sequence[VoteSample], new: Iterable[VoteSample]) -> tuple[VoteSample, ...]:
    """Return the samples with new samples, in time order; a frame that was decoded again is shown that much longer."""
    by_index = {sample.frame_index: sample for sample in samples}
    for sample in new:
        earlier = by_index.setdefault(sample.frame_index, sample)
        by_index[sample.frame_index] = earlier._replace(until_seconds=max(earlier.until_seconds, sample.until_seconds))
    return tuple(sorted(by_index.values(), key=lambda sample: sample.time_seconds))


def widest_gap(samples: Sequence[VoteSample], start_seconds: float, end_seconds: float) -> float:
    """Return the longest time in seconds in which no frame was looked at."""
    ends = [start_seconds, *(sample.until_seconds for sample in samples)]
    starts = [*(sample.time_seconds for sample in samples), end_seconds]
    return max(0.0, *(start - end for end, start in zip(ends, starts, strict=True)))


def strip(moments: Moments, cells: int = 40) -> str:
    """Draw the searched part as a line: "█" where the thing is visible, "·" where it isn't, " " unseen."""
    step = (moments.end_seconds - moments.start_seconds) / cells or 1.0
    drawn = [" "] * cells

    def cell(seconds: float) -> int:
        return min(cells - 1, int((seconds - moments.start_seconds) / step))

    for sample in moments.samples:
        drawn[cell(sample.time_seconds)] = "·"
    for interval in moments.intervals:
        first, last = cell(interval.first.time_seconds), cell(interval.last.time_seconds)
        drawn[first : last + 1] = "█" * (last - first + 1)
    return "".join(drawn)
