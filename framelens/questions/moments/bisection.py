"""Bisection of a search for moments: the frames that it looks at next, from its votes until now."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from math import ceil, log2

from framelens.core.evidence import Moments, VoteSample
from framelens.questions.moments import timeline

_ROUND_FRAMES = 32
"""Most frames of a round, twice as many as are asked about at the same time."""
_DENSE_SECONDS = 0.25
"""Between two frames of a dense look, which are 4 a second."""
_NARROW_SECONDS = 0.45
"""Gaps are halved until they are narrower, so that nothing that is visible for half a second hides in a gap."""
_LAST_SECONDS = 0.001
"""Before the end of the searched part; the frame shown then is the last frame."""
_BESIDE_SECONDS = 0.1
"""From a border to the frames that confirm it."""
_FEW = 5
"""Fewer frames that say yes are too few for an interval with more frames."""
_REJECTED, _LEAST_REJECTED = 8, 0.05
"""Number of rejected frames that are looked around densely, and their lowest vote."""
_MORE_SHARE, _MORE_LOOKS = 0.5, 100
"""What a search may look at beyond filling all gaps: candidates of the survey as a share, and what decides about a few
intervals. Measured: 71 looks at 14 s with one interval, where filling takes 33; 694 at 180 s with nine, 401."""


def open_times(moments: Moments) -> list[float]:
    """Return the times of frames that decide what the votes leave open, rising; empty if nothing is open."""
    if not moments.samples:
        return list(_even_times(moments))
    looked, times = _Sampled(moments), set[float]()
    for before, run, after in timeline.neighbours(timeline.runs_of(moments)):
        if not run.says_yes:
            continue
        dense = () if run.is_confirmed else looked.densely_around(run.best)
        times |= set(dense) or {*looked.at_start(before, run), *looked.within(run), *looked.at_end(run, after)}
    return sorted(times)[:_ROUND_FRAMES]


def further_times(
    moments: Moments, candidates: Sequence[float], affordable: int, *, every_frame: bool = False
) -> list[float]:
    """Return the times of frames that were not looked at yet, rising; empty once all gaps are narrow.

    Gaps of `every_frame` are filled in time order until none is left. Otherwise halving the widest gaps leaves the
    narrowest gaps at any ceiling, but the video is decoded again for each halving: where all gaps can be filled with
    `affordable` frames, they are filled in time order.
    """
    looked = _Sampled(moments, every_frame=every_frame)
    fill = list(looked.within_gaps())
    gaps = looked.middles() if len(fill) > affordable and not every_frame else fill
    for source in (filter(looked.is_new, candidates), looked.around_rejected(), gaps):
        if times := sorted(set(islice(source, _ROUND_FRAMES))):
            return times
    return []


def expected_frames(moments: Moments) -> int:
    """Return how many frames a search that runs to its end has looked at, at least."""
    return len(moments.samples) + sum(1 for _ in _Sampled(moments).within_gaps())


def usual_looks(seconds: float) -> tuple[int, int]:
    """Estimate the fewest and most pictures that a search through so many seconds asks about."""
    fewest = ceil(seconds / _NARROW_SECONDS) + 1
    return fewest, round(fewest * (1 + _MORE_SHARE)) + _MORE_LOOKS


def _even_times(moments: Moments) -> Iterator[float]:
    """Yield the times of the first round, so far apart that halving the gaps leaves them just narrow enough."""
    seconds = moments.end_seconds - moments.start_seconds
    narrow = seconds / _NARROW_SECONDS
    halvings = max(0, ceil(log2(narrow / (_ROUND_FRAMES - 1)))) if narrow else 0
    count = max(1, ceil(narrow / 2**halvings))
    for number in range(count):
        yield moments.start_seconds + seconds * number / count
    yield max(moments.start_seconds, moments.end_seconds - _LAST_SECONDS)


class _Sampled:
    """The samples until now, for choosing where to look next."""

    def __init__(self, moments: Moments, *, every_frame: bool = False) -> None:
        self._every_frame = every_frame
        self._samples = moments.samples
        self._starts = [sample.time_seconds for sample in moments.samples]
        self._start, self._end = moments.start_seconds, moments.end_seconds - _LAST_SECONDS
        self._unreadable = sorted(moments.unreadable)

    def is_new(self, seconds: float) -> bool:
        """Return whether a time is in the part to search, and no sample is known to be shown at it."""
        index = bisect_right(self._starts, seconds + timeline.SAME_SECONDS) - 1
        is_known = index >= 0 and seconds <= self._samples[index].until_seconds + timeline.SAME_SECONDS
        return self._start <= seconds <= self._end and not is_known and not self._is_unreadable(seconds, seconds)

    def _is_unreadable(self, start: float, end: float) -> bool:
        index = bisect_right(self._unreadable, start - timeline.SAME_SECONDS)
        return index < len(self._unreadable) and self._unreadable[index] <= end + timeline.SAME_SECONDS

    def densely_around(self, sample: VoteSample) -> list[float]:
        """Return the new times of a dense look around a sample."""
        steps = range(-round(timeline.NEAR_SECONDS / _DENSE_SECONDS), round(timeline.NEAR_SECONDS / _DENSE_SECONDS) + 1)
        return [time for step in steps if self.is_new(time := sample.time_seconds + step * _DENSE_SECONDS)]

    def at_start(self, before: timeline.Run | None, run: timeline.Run) -> Iterator[float]:
        """Yield the times that narrow down or confirm the border at which `run` begins."""
        if before:
            yield from self._times_between(before.samples[-1], run.samples[0], before.samples[:-1], run.samples[1:])
        else:
            yield from filter(self.is_new, [self._start])

    def within(self, run: timeline.Run) -> Iterator[float]:
        """Yield the middle of the widest gap in a run of few frames, all of which could be mistakes."""
        if 1 < len(run.samples) < _FEW:
            yield from self._middle(
                *max(pairwise(run.samples), key=lambda two: two[1].time_seconds - two[0].until_seconds)
            )

    def at_end(self, run: timeline.Run, after: timeline.Run | None) -> Iterator[float]:
        """Yield the times that narrow down or confirm the border at which `run` ends."""
        if after:
            yield from self._times_between(run.samples[-1], after.samples[0], run.samples[:-1], after.samples[1:])
        else:
            yield from filter(self.is_new, [self._end])

    def _times_between(
        self,
        last: VoteSample,
        first: VoteSample,
        earlier: Sequence[VoteSample],
        later: Sequence[VoteSample],
    ) -> Iterator[float]:
        if not timeline.are_neighbours(last, first):
            yield from self._middle(last, first)
            return
        if not (earlier and last.time_seconds - earlier[-1].until_seconds <= timeline.NEAR_SECONDS):
            yield from filter(self.is_new, [last.time_seconds - _BESIDE_SECONDS])
        if not (later and later[0].time_seconds - first.until_seconds <= timeline.NEAR_SECONDS):
            yield from filter(self.is_new, [first.until_seconds + _BESIDE_SECONDS])

    def _middle(self, last: VoteSample, first: VoteSample) -> Iterator[float]:
        if not timeline.are_neighbours(last, first) and not self._is_unreadable(last.until_seconds, first.time_seconds):
            yield (last.until_seconds + first.time_seconds) / 2

    def around_rejected(self) -> Iterator[float]:
        """Yield the times of a dense look around the likeliest frames that say no and have no likelier neighbour."""
        sides = zip([None, *self._samples[:-1]], self._samples, [*self._samples[1:], None], strict=True)
        peaks = [
            sample
            for before, sample, after in sides
            if _LEAST_REJECTED <= sample.probability <= 0.5
            and all(side is None or side.probability <= sample.probability for side in (before, after))
        ]
        for sample in sorted(peaks, key=lambda sample: -sample.probability)[:_REJECTED]:
            yield from self.densely_around(sample)

    def _gaps(self) -> Iterator[tuple[float, float, int]]:
        """Yield the gaps that are too wide, in time order, and in how many parts each is narrow enough."""
        ends = [self._start, *(sample.until_seconds for sample in self._samples)]
        frames = [1, *(after.frame_index - before.frame_index for before, after in pairwise(self._samples)), 1]
        for end, start, steps in zip(ends, [*self._starts, self._end], frames, strict=True):
            parts = max(ceil((start - end) / _NARROW_SECONDS), steps if self._every_frame else 0)
            if parts > 1 and start - end > timeline.SAME_SECONDS and not self._is_unreadable(end, start):
                yield end, start, parts

    def within_gaps(self) -> Iterator[float]:
        """Yield the times that make all gaps narrow, in time order; of all frames the first and last come first."""
        if self._every_frame:
            yield from filter(self.is_new, (self._start, self._end))
        for end, start, parts in self._gaps():
            yield from (end + (start - end) * number / parts for number in range(1, parts))

    def middles(self) -> Iterator[float]:
        """Yield the middles of the widest gaps, at least half as wide as the widest of all, in time order."""
        gaps = list(self._gaps())
        widest = max((start - end for end, start, _ in gaps), default=0.0)
        yield from ((end + start) / 2 for end, start, _ in gaps if start - end >= widest / 2)
