"""Search for all moments at which something is visible: find, verify, bound, in rounds that can be resumed.

Which frames a round looks at depends on the votes until now alone, so that a search that was interrupted continues from
what is stored. First come frames spread evenly, then whatever a vote leaves open: frames around one that says yes,
until two agree; the middle between the last no and the first yes, until they are neighbours; a frame further out on
either side, since one mistake on the way would have led to a wrong border. Then come the candidates of the survey,
frames around the best rejected ones, and the middle of the widest gaps, as long as the ceilings allow.

Two pictures that can't show what is looked for, and the contrary question, guard against a model that says yes to
everything.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, pairwise
from math import ceil, log2
from typing import Protocol

from app import core
from app.ask.moments.timeline import (
    NEAR_SECONDS,
    SAME_SECONDS,
    Interval,
    Moments,
    Run,
    SearchEnd,
    VoteSample,
    added,
    are_neighbours,
    intervals_of,
    is_doubted,
    runs_of,
    widest_gap,
)
from app.ask.votes import Vote
from app.llm.vision_check import VisionCard, draw
from app.video import Still

_ROUND_FRAMES = 32
"""Most frames of a round, twice as many as are asked about at the same time. Chosen by hand; not tuned."""
_DENSE_SECONDS = 0.25
"""Between two frames of a dense look, which are 4 a second."""
_NARROW_SECONDS = 0.45
"""Gaps are halved until they are narrower, so that nothing that is visible for half a second hides in one."""
_LAST_SECONDS = 0.001
"""Before the end of what is searched; the frame shown then is the last one."""
_BESIDE_SECONDS = 0.1
"""From a border to the frames that confirm it. Chosen by hand; not tuned."""
_CONTRARY = 3
"""Frames of an interval that the contrary question is asked about."""
_FEW = 5
"""Fewer frames that say yes are too few for an interval with more frames. Chosen by hand; not tuned."""
_REJECTED, _LEAST_REJECTED = 8, 0.05
"""Number of rejected frames that are looked around densely, and their lowest vote. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class SearchLimits:
    """Ceilings of one search; a search that is continued has them again.

    The defaults were chosen by hand and not tuned: 7,200 frames are two a second for an hour.
    """

    rounds: int = 600
    frames: int = 7200
    seconds: float = 300.0


class FrameSource(Protocol):
    """Frames of a video by time."""

    def at(self, seconds: float, cancel: threading.Event) -> Still:
        """Return the frame that is shown at this time.

        Raises:
            InputError: "still_missing": it can't be decoded.
            Cancelled: `cancel` was set.
        """


class Voter(Protocol):
    """Scorer of frames: `app.ask.votes.VoteAsker`."""

    def ask(
        self,
        thing: str,
        jpegs: Sequence[bytes],
        *,
        seconds: float,
        cancel: threading.Event | None = None,
        absent: bool = False,
    ) -> Generator[Vote, None, None]:
        """Ask whether `thing` is in each picture; see `VoteAsker.ask`."""


def search(
    moments: Moments,
    source: FrameSource,
    voter: Voter,
    *,
    candidates: Sequence[float] = (),
    limits: SearchLimits | None = None,
    cancel: threading.Event,
) -> Iterator[Moments]:
    """Search from where `moments` ended, and yield what was found after each round; the last one says why it ended.

    A round that is interrupted is yielded with the votes that it got, before its error is raised.

    Args:
        moments: What is looked for, and what an earlier search has found.
        source: The video.
        voter: The engine.
        candidates: Times of frames that probably differ from those around them, the best first.
        limits: Ceilings.
        cancel: Ends the search.

    Raises:
        AppError: The video can't be read, or the engine doesn't answer.
        Cancelled: `cancel` was set.
    """
    return _Search(moments, source, voter, candidates, limits or SearchLimits(), cancel).rounds()


class _Search:
    def __init__(
        self,
        moments: Moments,
        source: FrameSource,
        voter: Voter,
        candidates: Sequence[float],
        limits: SearchLimits,
        cancel: threading.Event,
    ) -> None:
        self._found = replace(moments, ended="")
        self._before = moments
        self._source, self._voter, self._candidates = source, voter, candidates
        self._limits, self._cancel = limits, cancel
        self._started = time.monotonic()

    def rounds(self) -> Iterator[Moments]:
        """Yield what was found after each round."""
        ended: SearchEnd = ""
        while not ended:
            found = self._found
            ended = self._ended()
            if ended:
                pass
            elif not found.controls and any(one.says_yes for one in found.samples):
                self._check_controls()
            elif times := open_times(found):
                yield from self._look(times)
            elif unchecked := [one for one in found.intervals if one.contrary is None]:
                self._ask_contrary(unchecked[: _ROUND_FRAMES // _CONTRARY])
            elif times := further_times(found, self._candidates, self._affordable):
                yield from self._look(times)
            else:
                ended = "complete"
            yield self._settled(ended)

    @property
    def _left(self) -> float:
        return self._limits.seconds - (time.monotonic() - self._started)

    @property
    def _num_frames(self) -> int:
        return len(self._found.samples) - len(self._before.samples)

    @property
    def _affordable(self) -> int:
        """Return how many more frames the ceilings allow, at the pace until now."""
        by_time = self._left * self._num_frames / max(time.monotonic() - self._started, 1e-6)
        return int(min(self._limits.frames - self._num_frames, by_time))

    def _ended(self) -> SearchEnd:
        found = self._found
        if found.controls and min(found.controls) > 0.5:
            return "says_yes"
        if self._left <= 0:
            return "seconds"
        if self._num_frames >= self._limits.frames:
            return "frames"
        return "rounds" if found.rounds - self._before.rounds >= self._limits.rounds else ""

    def _settled(self, ended: SearchEnd) -> Moments:
        """Return what was found, with the intervals that follow from it."""
        found = self._found
        intervals = () if ended == "says_yes" else intervals_of(found.samples, found.contrary)
        self._found = replace(
            found,
            intervals=tuple(one for one in intervals if not is_doubted(one)),
            doubted=tuple(one for one in intervals if is_doubted(one)),
            widest_gap_seconds=round(widest_gap(found.samples, found.start_seconds, found.end_seconds), 6),
            rounds=found.rounds + (not ended),
            seconds=round(self._before.seconds + time.monotonic() - self._started, 3),
            ended=ended,
        )
        return self._found

    def _look(self, times: Sequence[float]) -> Iterator[Moments]:
        """Decode the frames at these times and ask about those that are new; yield only what an error leaves."""
        known = {one.frame_index: one for one in self._found.samples}
        again: list[VoteSample] = []
        new: dict[int, tuple[Still, float]] = {}
        for seconds in times[: self._limits.frames - self._num_frames]:
            if self._left <= 0:
                break
            try:
                frame = self._source.at(seconds, self._cancel)
            except core.InputError as error:
                if not known and not new and (error.key != "still_missing" or seconds == times[-1]):
                    raise  # the file itself can't be read
                self._found = replace(self._found, unreadable=(*self._found.unreadable, seconds))
                continue
            until = max(seconds, frame.time_seconds)
            if frame.frame_index in known:
                again.append(known[frame.frame_index]._replace(until_seconds=until))
            else:
                new[frame.frame_index] = frame, until
        asked = list(new.values())
        number = self._found.rounds + 1
        failure: core.AppError | None = None
        try:
            for index, probability in self._votes([frame.jpeg for frame, _ in asked]):
                frame, until = asked[index]
                again.append(VoteSample(frame.frame_index, frame.time_seconds, until, probability, number))
        except core.AppError as error:
            failure = error
        self._found = replace(self._found, samples=added(self._found.samples, again))
        if failure:
            if again:
                yield self._settled("")
            raise failure

    def _votes(self, jpegs: Sequence[bytes], *, absent: bool = False) -> Iterator[tuple[int, float]]:
        seconds = max(self._left, 0.0)
        with closing(
            self._voter.ask(self._found.thing, jpegs, seconds=seconds, cancel=self._cancel, absent=absent)
        ) as votes:
            for vote in votes:
                yield vote.index, round(vote.probability, 4)

    def _check_controls(self) -> None:
        controls = dict(self._votes(_controls()))
        self._found = replace(self._found, controls=tuple(controls.values()))

    def _ask_contrary(self, intervals: Sequence[Interval]) -> None:
        """Ask the contrary question about some frames of each interval: the best one, and one in either half."""
        times: dict[int, float] = {}
        for one in intervals:
            inside = (sample for sample in self._found.samples if sample.says_yes)
            own = [sample for sample in inside if one.first.time_seconds <= sample[1] <= one.last.time_seconds]
            for frame in (one.best, own[len(own) // 4], own[3 * len(own) // 4]):
                times[frame.frame_index] = frame.time_seconds
        jpegs = [self._source.at(seconds, self._cancel).jpeg for seconds in sorted(times.values())]
        order = sorted(times, key=lambda index: times[index])
        asked = {order[place]: probability for place, probability in self._votes(jpegs, absent=True)}
        self._found = replace(self._found, contrary={**self._found.contrary, **asked})


@cache
def _controls() -> tuple[bytes, bytes]:
    """Return two pictures that have nothing in common: whatever is looked for, at least one can't show it."""
    cards = VisionCard("blue", "circle", 4), VisionCard("white", "triangle", 7)
    return draw(cards[0], 448, 252), draw(cards[1], 448, 252)


def open_times(found: Moments) -> list[float]:
    """Return the times of frames that decide what the votes leave open, rising; none if they leave nothing open."""
    if not found.samples:
        return list(_even_times(found))
    looked, wanted = _Looked(found), set[float]()
    runs = runs_of(found.samples)
    for before, run, after in zip([None, *runs[:-1]], runs, [*runs[1:], None], strict=True):
        if not run.says_yes:
            continue
        dense = () if run.is_confirmed else looked.densely_around(_best(run))
        wanted |= set(dense) or {*looked.at_start(before, run), *looked.within(run), *looked.at_end(run, after)}
    return sorted(wanted)[:_ROUND_FRAMES]


def further_times(found: Moments, candidates: Sequence[float], affordable: int) -> list[float]:
    """Return the times of frames in what was not looked at yet, rising; none once all gaps are narrow.

    Halving the widest gaps leaves the narrowest ones at any ceiling, but the video is decoded again for each halving:
    where all gaps can be filled with `affordable` frames, they are filled in time order.
    """
    looked = _Looked(found)
    fill = list(looked.within_gaps())
    gaps = looked.middles() if len(fill) > affordable else fill
    for wanted in (filter(looked.is_new, candidates), looked.around_rejected(), gaps):
        if times := sorted(set(islice(wanted, _ROUND_FRAMES))):
            return times
    return []


def _even_times(found: Moments) -> Iterator[float]:
    """Yield the times of the first round, so far apart that halving the gaps leaves them just narrow enough."""
    seconds = found.end_seconds - found.start_seconds
    narrow = seconds / _NARROW_SECONDS
    halvings = max(0, ceil(log2(narrow / (_ROUND_FRAMES - 1)))) if narrow else 0
    count = max(1, ceil(narrow / 2**halvings))
    for number in range(count):
        yield found.start_seconds + seconds * number / count
    yield max(found.start_seconds, found.end_seconds - _LAST_SECONDS)


def _best(run: Run) -> VoteSample:
    return max((one for one in run.samples if one.says_yes), key=lambda one: one.probability)


class _Looked:
    """The samples until now, for choosing where to look next."""

    def __init__(self, found: Moments) -> None:
        self._samples = found.samples
        self._starts = [one.time_seconds for one in found.samples]
        self._start, self._end = found.start_seconds, found.end_seconds - _LAST_SECONDS
        self._unreadable = sorted(found.unreadable)

    def is_new(self, seconds: float) -> bool:
        """Return whether a time is in the part to search, and none of the samples is known to be shown at it."""
        place = bisect_right(self._starts, seconds + SAME_SECONDS) - 1
        is_known = place >= 0 and seconds <= self._samples[place].until_seconds + SAME_SECONDS
        return self._start <= seconds <= self._end and not is_known and not self._is_unreadable(seconds, seconds)

    def _is_unreadable(self, start: float, end: float) -> bool:
        place = bisect_right(self._unreadable, start - SAME_SECONDS)
        return place < len(self._unreadable) and self._unreadable[place] <= end + SAME_SECONDS

    def densely_around(self, one: VoteSample) -> list[float]:
        """Return the new times of a dense look around a sample."""
        steps = range(-round(NEAR_SECONDS / _DENSE_SECONDS), round(NEAR_SECONDS / _DENSE_SECONDS) + 1)
        return [time for step in steps if self.is_new(time := one.time_seconds + step * _DENSE_SECONDS)]

    def at_start(self, before: Run | None, run: Run) -> Iterator[float]:
        """Yield the times that narrow down or confirm the border at which `run` begins."""
        if before:
            yield from self._between(before.samples[-1], run.samples[0], before.samples[:-1], run.samples[1:])
        else:
            yield from filter(self.is_new, [self._start])

    def within(self, run: Run) -> Iterator[float]:
        """Yield the middle of the widest gap in a run of few frames, all of which could be mistakes."""
        if 1 < len(run.samples) < _FEW:
            yield from self._middle(
                *max(pairwise(run.samples), key=lambda two: two[1].time_seconds - two[0].until_seconds)
            )

    def at_end(self, run: Run, after: Run | None) -> Iterator[float]:
        """Yield the times that narrow down or confirm the border at which `run` ends."""
        if after:
            yield from self._between(run.samples[-1], after.samples[0], run.samples[:-1], after.samples[1:])
        else:
            yield from filter(self.is_new, [self._end])

    def _between(
        self, last: VoteSample, first: VoteSample, earlier: Sequence[VoteSample], later: Sequence[VoteSample]
    ) -> Iterator[float]:
        if not are_neighbours(last, first):
            yield from self._middle(last, first)
            return
        if not (earlier and last.time_seconds - earlier[-1].until_seconds <= NEAR_SECONDS):
            yield from filter(self.is_new, [last.time_seconds - _BESIDE_SECONDS])
        if not (later and later[0].time_seconds - first.until_seconds <= NEAR_SECONDS):
            yield from filter(self.is_new, [first.until_seconds + _BESIDE_SECONDS])

    def _middle(self, last: VoteSample, first: VoteSample) -> Iterator[float]:
        if not are_neighbours(last, first) and not self._is_unreadable(last.until_seconds, first.time_seconds):
            yield (last.until_seconds + first.time_seconds) / 2

    def around_rejected(self) -> Iterator[float]:
        """Yield the times of a dense look around the best frames that say no, and aren't near one that says yes."""
        sides = zip([None, *self._samples[:-1]], self._samples, [*self._samples[1:], None], strict=True)
        peaks = [
            one
            for before, one, after in sides
            if _LEAST_REJECTED <= one.probability <= 0.5
            and all(side is None or side.probability <= one.probability for side in (before, after))
        ]
        for one in sorted(peaks, key=lambda one: -one.probability)[:_REJECTED]:
            yield from self.densely_around(one)

    def _gaps(self) -> Iterator[tuple[float, float]]:
        """Yield the gaps that are too wide, in time order."""
        ends = [self._start, *(one.until_seconds for one in self._samples)]
        for end, start in zip(ends, [*self._starts, self._end], strict=True):
            if start - end > _NARROW_SECONDS and not self._is_unreadable(end, start):
                yield end, start

    def within_gaps(self) -> Iterator[float]:
        """Yield the times that make all gaps narrow, in time order."""
        for end, start in self._gaps():
            count = ceil((start - end) / _NARROW_SECONDS)
            yield from (end + (start - end) * number / count for number in range(1, count))

    def middles(self) -> Iterator[float]:
        """Yield the middles of the widest gaps, at least half as wide as the widest of all, in time order."""
        gaps = list(self._gaps())
        widest = max((start - end for end, start in gaps), default=0.0)
        yield from ((end + start) / 2 for end, start in gaps if start - end >= widest / 2)
