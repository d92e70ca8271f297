"""Keyframe candidates: the best frame after each shot's start, one for each stable picture, and bounded pools of them.

A candidate keeps its picture as the decoder returned it until some later ones are kept: many candidates are
dropped by then. Those that stay become JPEGs, a tenth of the size. A window opens where a cut is suspected and counts
once the cut is confirmed; it closes when its time is over or the next window opens. A stable segment lasts a few
seconds at most, so one pass serves a video of any length. The choice itself is made in
framelens.video.keyframes.selector, after the whole video was read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Boundary
from framelens.video.features.frame_signature import LEVELS, NUM_CELLS, Blocks, DetailedGlance, Glance, look_at
from framelens.video.keyframes.clarity import ClarityTracker, Which
from framelens.video.keyframes.fleeting import FleetingTracker
from framelens.video.keyframes.novelty import Cells, NewContent, NoveltyTracker
from framelens.video.keyframes.options import MOST_THUMBNAILS, THUMBNAIL_SIDE
from framelens.video.readers.base import JPEG_QUALITY, Picture, as_jpeg
from framelens.video.shots.page_detector import PageDetector

SAMPLE_SECONDS = 0.115
"""Seconds between samples, eight to nine a second: content that lasts 0.3 s is sampled twice or more. Half and twice
the rate were measured: half found two to four of 62 events fewer for a seventh less of the processor time, twice two
more only together with decoding every frame (docs/benchmarks/keyframes.md, What speed costs in quality)."""
_LONGEST_STABLE_SECONDS = 2.0  # longest segment
_BURST = 0.45  # nearly as much new content as in the busiest hundredth of the samples
_BETTER_STABLE = 1.02  # factor by which a later sample must be better
_RARE_ENOUGH = 2.0  # e² times rarer than the common values is wholly unusual
_PLAIN_VALUE = 0.02  # value of an unusual cell without new content
_WEIGHTS = np.array([1.0, 0.7, 0.7, 0.7], np.float32)  # of the channels; luma carries most.
_COMMON_SHARE = 0.75
"""Share of the time that a cell's most frequent values fill, which are common there however they scatter."""
_MOST_SURPRISING = 6.0  # natural logarithm: once in 400 samples is rare enough, noise is rarer still
_RELEARN_EVERY = 64  # samples, about eight seconds
_FLEETING_SCORE = 5.0
"""Score of a fleeting subject: less than a caption, more than any picture without new content. With 15 more of them are
seen, and fewer captions (docs/benchmarks/keyframes.md, Small fast things)."""


class StableSegments:
    """Tracker of stable segments; `take` every sample and get the candidate of a segment that it ends.

    `latest` is the new content at the last sample, for candidates found in another way.
    """

    def __init__(self, *, longest_seconds: float = _LONGEST_STABLE_SECONDS) -> None:
        self._longest = min(longest_seconds, _LONGEST_STABLE_SECONDS)
        self._rarity = RarityModel()
        self._novelty = NoveltyTracker()
        self._fleeting = FleetingTracker()
        self.latest = self._novelty.latest
        self._sampled: Candidate | None = None
        self._best: Candidate | None = None
        self._blocks: Blocks | None = None
        self._since = 0.0

    def take(self, picture: Picture, look: DetailedGlance, *, opens: bool) -> Candidate | None:
        """Examine a sample and return the candidate of the segment that has ended before it, if any.

        `opens` says that a cut before the sample is suspected, which ends the segment.
        """
        blocks = self._blocks = look.blocks
        self._rarity.learn(blocks)
        self._mark_sampled(self._fleeting.push(blocks))
        arrival = self.latest = self._novelty.push(blocks)
        ended = None
        time = picture.time_seconds
        if self._best is not None and (opens or arrival.burst > _BURST or time - self._since >= self._longest):
            ended, self._best = self._best, None
        latest = self._sampled = self.candidate(picture, look)
        if self._best is None:
            self._since = time
        if self._best is None or latest.score > _BETTER_STABLE * self._best.score:
            self._best = latest
        return ended

    def rest(self, samples: int) -> None:
        """Learn that the last sample stayed for as long as this many samples."""
        if self._blocks is not None:
            self._rarity.learn(self._blocks, samples)
            self._mark_sampled(self._fleeting.push(self._blocks, samples))
            self.latest = self._novelty.rest(samples)

    def _mark_sampled(self, fleeting: float) -> None:
        """Prefer the candidate of the last sample for its fleeting subject, which the sample after it has shown."""
        item = self._sampled
        if item is None or not fleeting:
            return
        item.fleeting = fleeting
        item.score += _FLEETING_SCORE * fleeting * item.look.quality
        if self._best is not None and item.score > _BETTER_STABLE * self._best.score:
            self._best = item

    def candidate(self, picture: Picture, look: DetailedGlance) -> Candidate:
        """Return the candidate of the last sample taken."""
        candidate = Candidate.of(picture, look)
        candidate.arrival = self.latest
        candidate.score = float(self._cells(look.blocks, self.latest).sum()) * look.quality
        return candidate

    def finish(self) -> Candidate | None:
        """Return the candidate of the last segment, if any; call once, after the last sample."""
        ended, self._best = self._best, None
        self._rarity.settle()
        return ended

    def cell_values(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """Return the value of each cell of each candidate, by all samples."""
        return [self._cells(item.look.blocks, item.arrival or self.latest) for item in candidates]

    def _cells(self, blocks: Blocks, arrival: NewContent) -> Cells:
        unusual = np.minimum(self._rarity.rarity(blocks) / _RARE_ENOUGH, 1)
        return np.asarray(unusual * (self._novelty.weight(arrival) + _PLAIN_VALUE), np.float32)


class RarityModel:
    """Histograms of all samples; `learn` each sample, then `rarity` returns how unusual a sample is in each cell."""

    def __init__(self) -> None:
        self._counts = np.zeros((4, NUM_CELLS, LEVELS), np.float32)
        self._rows = LEVELS * np.arange(4 * NUM_CELLS).reshape(4, NUM_CELLS)
        self._table = np.zeros_like(self._counts)
        self._num = 0
        self._due = 1

    def learn(self, blocks: Blocks, samples: int = 1) -> None:
        """Add a sample, or as many that are the same."""
        self._counts.reshape(-1)[self._places(blocks)] += samples
        self._num += samples
        if self._num >= self._due:
            # Often at first, when each sample changes what is known.
            self._due = self._num + min(_RELEARN_EVERY, self._num)
            self.settle()

    def settle(self) -> None:
        """Recompute the rarities from all learnt samples."""
        near = np.pad(self._counts, ((0, 0), (0, 0), (1, 1)))
        smooth = 0.25 * near[..., :-2] + 0.5 * near[..., 1:-1] + 0.25 * near[..., 2:]
        surprise = -np.log((smooth + 0.5) / max(1, self._num))
        order = np.argsort(surprise, axis=2)
        reached = np.cumsum(np.take_along_axis(self._counts, order, 2), axis=2) >= _COMMON_SHARE * self._num
        index = np.take_along_axis(order, reached.argmax(axis=2)[..., None], 2)
        common = np.take_along_axis(surprise, index, 2)
        self._table = np.clip(surprise - common, 0, _MOST_SURPRISING) * _WEIGHTS[:, None, None]

    def rarity(self, blocks: Blocks) -> NDArray[np.float32]:
        """Return for each cell 0 if common, else the natural logarithm of how much rarer, summed over channels."""
        return np.asarray(self._table.take(self._places(blocks)).sum(axis=0), np.float32)

    def _places(self, blocks: Blocks) -> NDArray[np.intp]:
        """Return the distinct indices of the blocks' values in the flat tables."""
        return np.asarray(self._rows + blocks.astype(np.intp))


_THUMBNAIL_QUALITY = 80
"""Of JPEG; a thumbnail has 3 to 12 kB."""
_THUMBNAIL_PARTS = 360
"""Parts of a video that keep thumbnails of their own."""
_LEAST_THUMBNAIL_SECONDS = 0.5
"""Least time from one thumbnail to the next that opens no shot."""
_LEAST_SCORE = 0.1
"""Score of a candidate without new content, which still counts for its position in time."""


@dataclass(eq=False)
class Candidate:
    """A frame that may become a keyframe.

    `opens` is the index of the frame where its shot begins if it is the opening of a shot, and `is_page` says that it
    is the first in which a page is whole. `arrival` is the new content of the picture and `score` its value when it was
    read; `fleeting` (0 … 1) says whether it shows a small subject that is there for this moment only.
    """

    index: int
    time_seconds: float
    look: DetailedGlance
    opens: int | None = None
    is_page: bool = False
    arrival: NewContent | None = field(default=None, repr=False)
    score: float = 0.0
    fleeting: float = 0.0
    num_raw_bytes: int = 0
    _picture: Picture | None = field(default=None, repr=False)
    _jpeg: tuple[bytes, int, int] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, picture: Picture, look: DetailedGlance, opens: int | None = None) -> Candidate:
        """Create the candidate of a decoded picture."""
        return cls(picture.index, picture.time_seconds, look, opens, num_raw_bytes=picture.num_bytes, _picture=picture)

    def jpeg(self, max_side: int) -> tuple[bytes, int, int]:
        """Return (JPEG, width, height); it is encoded once, and the raw picture released."""
        if self._jpeg is None:
            assert self._picture is not None
            self._jpeg = as_jpeg(self._picture.upright(max_side), JPEG_QUALITY)
            self._picture = None
        return self._jpeg

    def thumbnail(self) -> Thumbnail:
        """Return a small picture; call before `jpeg`."""
        assert self._picture is not None
        jpeg, width, height = as_jpeg(self._picture.upright(THUMBNAIL_SIDE), _THUMBNAIL_QUALITY)
        return Thumbnail(self.index, self.time_seconds, self.opens, self.score, jpeg, width, height)


@dataclass(frozen=True)
class Thumbnail:
    """Small picture of a candidate; `opens` and `score` are the candidate's."""

    index: int
    time_seconds: float
    opens: int | None
    score: float
    jpeg: bytes
    width: int
    height: int


class Pooled(Protocol):
    """Item of a Pool."""

    @property
    def index(self) -> int:
        """Return the index of the frame."""

    @property
    def time_seconds(self) -> float:
        """Return the time of the frame."""

    @property
    def score(self) -> float:
        """Return the value of the frame."""


ItemT = TypeVar("ItemT", bound=Pooled)


class Pool(Generic[ItemT]):
    """Pool of at most `capacity` candidates in time order, spread over the time read.

    Candidates with the lowest score and with close neighbours are dropped first; candidates whose loss would leave a
    gap longer than one of `parts` equal parts of that time, last.
    """

    def __init__(self, capacity: int, parts: int = 1) -> None:
        self.items: list[ItemT] = []
        self._capacity = max(3, capacity)
        self._parts = parts

    def add(self, candidate: ItemT) -> None:
        """Insert a candidate; drop the least missed candidate if the pool is full."""
        insort(self.items, candidate, key=lambda item: item.index)
        if len(self.items) > self._capacity:
            del self.items[self._least_missed()]

    def _least_missed(self) -> int:
        """Return the index of the candidate with the lowest score and closest neighbours; the first and last stay."""
        items = self.items
        longest = (items[-1].time_seconds - items[0].time_seconds) / self._parts

        def missed(index: int) -> tuple[bool, float]:
            around = items[index + 1].time_seconds - items[index - 1].time_seconds
            return around > longest, around * (_LEAST_SCORE + items[index].score)

        return min(range(1, len(items) - 1), key=missed)


_RAW_BYTES = 8 << 20
"""Most memory for pictures as the decoder returned them. With 32 MiB, ten minutes of 720p make a tenth fewer JPEGs."""
_FEWEST_SPARE, _MOST_SPARE = 96, 256
"""Stable segments kept beyond the frames that may be chosen: more of them miss less but make more JPEGs."""
_SPARE_OPENINGS = 64
"""Openings kept beyond the frames that may be chosen, so that shots of 0.3 s or less don't displace longer shots."""
_OPENING_SECONDS = 0.4  # length of a window after a cut.
_LEARNING_SAMPLES = 16
"""Number of first samples in which too little is known of a video to separate new content from what always moves, so
that only a cut counts; content that stays is found by a later candidate. Compared on the benchmark sets together
(docs/benchmarks/keyframes.md, Events)."""
# A later frame replaces the best frame of a window if it is better by the first factor; a frame brighter by the second
# extends the window, up to _LONGEST_SECONDS.
_BETTER = 1.15
_BRIGHTER = 1.08
_LONGEST_SECONDS = 2.5
_FRESHNESS = (0.8, 0.9)
"""Factors of the first frames after a cut, which may be a blend of both shots, or coarse."""


def sample_seconds(frames: int, duration_seconds: float | None) -> float:
    """Return the seconds between samples, fewer in a short video of which many frames are wanted.

    The header's length may be wrong, so it only adds samples.
    """
    return min(SAMPLE_SECONDS, _part_seconds(frames, duration_seconds) / 4)


def _part_seconds(frames: int, duration_seconds: float | None) -> float:
    return (duration_seconds or float("inf")) / (2 * frames + 16)


class CandidateCollector:
    """Collector of candidates: pass it every frame with `take` and every verdict with `settle`.

    Both return the newly kept candidates. `sample` is the look of the last frame and how much new content it has
    (0 … 1), or None if the frame was not a sample.
    """

    def __init__(self, *, frames: int, max_side: int, duration_seconds: float | None) -> None:
        self._max_side = max_side
        self._sample_seconds = sample_seconds(frames, duration_seconds)
        self._segments = StableSegments(longest_seconds=_part_seconds(frames, duration_seconds))
        self._clarity = ClarityTracker()
        self._opening_pool: Pool[Candidate] = Pool(frames + _SPARE_OPENINGS)
        self._segment_pool: Pool[Candidate] = Pool(frames + min(_MOST_SPARE, 2 * frames + _FEWEST_SPARE), parts=frames)
        self._page_pool: Pool[Candidate] = Pool(frames + _SPARE_OPENINGS)
        self.pages = PageDetector()
        self._thumbnails: Pool[Thumbnail] = Pool(MOST_THUMBNAILS, parts=_THUMBNAIL_PARTS)
        self._opening_windows: list[BestFrameWindow] = []
        self._raw: deque[Candidate] = deque()  # the latest
        self._unsettled: dict[int, Candidate] = {}
        self._gradual_ends: list[float] = []
        self._keeps_next = False
        self._verdicts: dict[int, bool] = {0: True}
        self._sampled_seconds = float("-inf")
        self._known_seconds = float("inf")
        self._pictured_seconds = float("-inf")
        self._last: tuple[Picture, Glance] | None = None
        self.sample: tuple[DetailedGlance, float] | None = None

    def take(self, picture: Picture, glance: Glance, *, may_open: bool) -> list[Candidate]:
        """Examine the next frame; `may_open` says that a cut before it is suspected."""
        time = picture.time_seconds
        self._known_seconds = min(self._known_seconds, time + _LEARNING_SAMPLES * self._sample_seconds)
        fresh = self._close(None if may_open else time)
        if may_open or picture.index == 0:
            # The first frame of a video follows no cut: it is kept without a window, unless it is black.
            waits = picture.index > 0 or glance.is_black
            self._opening_windows.append(BestFrameWindow(time, _OPENING_SECONDS if waits else 0.0, picture.index))
        self._last, self.sample = (picture, glance), None
        is_sample = may_open or self._keeps_next or time - self._sampled_seconds >= self._sample_seconds
        if is_sample or self._opening_windows:
            look = look_at(glance, picture.luma())
            fresh += self._sample(picture, look, may_open) if is_sample else []
            if self._keeps_next:
                fresh.append(self._keep(self._segments.candidate(picture, look), self._opening_pool))
                self._keeps_next = False
            for window in self._opening_windows:
                window.offer(picture, look, self._segments.latest)
        return fresh

    def rest(self, time_seconds: float, look: DetailedGlance) -> list[Candidate]:
        """Record that the picture of the last frame, which has this look, is still shown at a time."""
        assert self._last is not None
        picture, _ = self._last
        is_new = picture.time_seconds > self._sampled_seconds
        fresh = self._sample(picture, look, may_open=False) if is_new else []
        before, self._sampled_seconds = self._sampled_seconds, time_seconds
        self._segments.rest(max(1, round((time_seconds - before) / self._sample_seconds)))
        return [*fresh, *(self._page_of(picture, look) if self.pages.push(time_seconds, look.luma) else [])]

    def settle(self, index: int, is_cut: bool) -> list[Candidate]:
        """Record whether the frame at `index`, where a cut was suspected, begins a shot."""
        self._verdicts[index] = is_cut
        return self._place_settled()

    def settle_gradual(self, end_seconds: float) -> None:
        """Record where a gradual transition ends; the next stable picture is kept like the opening of a shot.

        So is the next sample: the picture of a stable segment may still be mixed, and a short shot has no other.
        """
        self._gradual_ends.append(end_seconds)
        self._keeps_next = True
        self._keep_after_graduals()

    def _keep_after_graduals(self) -> None:
        for end in list(self._gradual_ends):
            index = bisect_left(self._segment_pool.items, end, key=lambda item: item.time_seconds)
            if index < len(self._segment_pool.items):
                self._opening_pool.add(self._segment_pool.items[index])
                self._gradual_ends.remove(end)

    def finish(self) -> list[Candidate]:
        """Close open windows and the last segment; call once, after the last verdict."""
        fresh = [*self._close(None), *self._keep_if_any(self._segments.finish())]
        if self._last is not None:
            picture, glance = self._last
            self.pages.finish(picture.time_seconds)
            self._segment_pool.add(Candidate.of(picture, look_at(glance, picture.luma())))
        return fresh

    def candidates(self) -> list[Candidate]:
        """Return all kept candidates in time order, each frame once."""
        pools = (*self._segment_pool.items, *self._opening_pool.items, *self._page_pool.items)
        by_index = {item.index: item for item in pools}
        return [by_index[index] for index in sorted(by_index)]

    def thumbnails(self) -> list[Thumbnail]:
        """Return the thumbnails in time order, including thumbnails of candidates that were dropped since."""
        return list({item.index: item for item in self._thumbnails.items}.values())

    def cell_values(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """Return the value of each cell of each candidate; call after `finish`."""
        cell_values = self._segments.cell_values(candidates)
        for item, values in zip(candidates, cell_values, strict=True):
            if item.opens is None and item.time_seconds < self._known_seconds:
                values[:] = 0.0
        return cell_values

    def unclear(self, candidates: Sequence[Candidate], boundaries: Sequence[Boundary]) -> Which:
        """Return which candidates show no picture of their own, being blurred by a sweep or within a transition."""
        mixed = [*(boundary for boundary in boundaries if boundary.type != "page"), *self.pages.mixed()]
        return self._clarity.unclear([item.time_seconds for item in candidates], mixed)

    def _sample(self, picture: Picture, look: DetailedGlance, may_open: bool) -> list[Candidate]:
        self._sampled_seconds = picture.time_seconds
        self._clarity.push(picture.time_seconds, look)
        ended = self._segments.take(picture, look, opens=may_open)
        self.sample = look, self._segments.latest.burst
        fresh = self._keep_if_any(ended)
        if self.pages.push(picture.time_seconds, look.luma):
            fresh += self._page_of(picture, look)
        return fresh

    def _page_of(self, picture: Picture, look: DetailedGlance) -> list[Candidate]:
        candidate = self._segments.candidate(picture, look)
        candidate.is_page = True
        return [self._keep(candidate, self._page_pool)]

    def _keep_if_any(self, candidate: Candidate | None) -> list[Candidate]:
        return [] if candidate is None else [self._keep(candidate, self._segment_pool)]

    def _close(self, time: float | None) -> list[Candidate]:
        """End the windows whose time is over (all of them for None) and keep their best frames."""
        for opening in [window for window in self._opening_windows if time is None or window.is_over(time)]:
            self._opening_windows.remove(opening)
            if opening.best is not None:
                self._unsettled[opening.opens] = opening.best
        return self._place_settled()

    def _place_settled(self) -> list[Candidate]:
        fresh = []
        for opens in [opens for opens in self._unsettled if opens in self._verdicts]:
            candidate = self._unsettled.pop(opens)
            if self._verdicts.pop(opens):
                fresh.append(self._keep(candidate, self._opening_pool))
            # A candidate that opens no shot belongs to a stable segment.
        return fresh

    def _keep(self, candidate: Candidate, pool: Pool[Candidate]) -> Candidate:
        if candidate.opens is not None or candidate.time_seconds - self._pictured_seconds >= _LEAST_THUMBNAIL_SECONDS:
            self._thumbnails.add(candidate.thumbnail())
            self._pictured_seconds = max(self._pictured_seconds, candidate.time_seconds)
        pool.add(candidate)
        self._keep_after_graduals()
        self._raw.append(candidate)
        while sum(item.num_raw_bytes for item in self._raw) > _RAW_BYTES:
            self._encode(self._raw.popleft())
        return candidate

    def _encode(self, candidate: Candidate) -> None:
        """Replace the picture of a candidate by a JPEG, unless it was dropped."""
        if any(candidate in pool.items for pool in (self._segment_pool, self._opening_pool, self._page_pool)):
            candidate.jpeg(self._max_side)


class BestFrameWindow:
    """Window over [start, until); `best` is the best frame offered yet, `opens` where the shot may begin."""

    def __init__(self, start_seconds: float, length_seconds: float, opens: int) -> None:
        self.opens = opens
        self.best: Candidate | None = None
        self._until = start_seconds + length_seconds
        self._latest = start_seconds + max(length_seconds, _LONGEST_SECONDS)
        self._length = length_seconds
        self._worth = 0.0

    def is_over(self, time_seconds: float) -> bool:
        """Return whether the window has a frame and ends by this time."""
        return self.best is not None and time_seconds >= self._until

    def offer(self, picture: Picture, look: DetailedGlance, arrival: NewContent) -> None:
        """Keep the frame if it is clearly better than the best so far; extend the window while pictures brighten."""
        worth = look.quality * self._freshness(picture.index)
        if self.best is not None and worth <= _BETTER * self._worth:
            return
        if self.best is not None and look.brightness > _BRIGHTER * self.best.look.brightness:
            # A picture still rising from black: wait for it.
            self._until = min(self._latest, max(self._until, picture.time_seconds + self._length))
        self.best = Candidate.of(picture, look, self.opens)
        self.best.arrival = arrival
        self._worth = worth

    def _freshness(self, index: int) -> float:
        if not self.opens:  # the first frame of the video follows no cut
            return 1.0
        age = index - self.opens
        return _FRESHNESS[age] if age < len(_FRESHNESS) else 1.0
