"""Keyframe candidates: the best frame after each shot's start, one for each stable picture, and bounded pools of them.

A candidate keeps its picture as the decoder returned it, which costs no work, until it is chosen or the memory limit
requires a JPEG. A window opens where a cut is suspected and counts once the cut is confirmed; it closes when its time
is over or the next one opens. A stable segment lasts a few seconds at most, so one pass serves a video of any length. The
choice itself is made in app.video.keyframes.selector, after the whole video was read.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.video.features.frame_signature import Glance, Look, look_at
from app.video.keyframes.novelty import Cells, NewContent
from app.video.keyframes.stable_segments import SAMPLE_SECONDS, StableSegments
from app.video.readers.base import JPEG_QUALITY, Picture, as_jpeg

_LEAST_SCORE = 0.1
"""Score of a candidate without new content, which still counts for its position in time. Chosen by hand; not tuned."""


@dataclass(eq=False)
class Candidate:
    """A frame that may become a keyframe.

    `opens` is the index of the frame where its shot begins if it is the opening of a shot. `arrival` is the new content
    of the picture and `score` its value when it was read.
    """

    index: int
    time_seconds: float
    look: Look
    opens: int | None = None
    arrival: NewContent | None = field(default=None, repr=False)
    score: float = 0.0
    num_raw_bytes: int = 0
    _picture: Picture | None = field(default=None, repr=False)
    _jpeg: tuple[bytes, int, int] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, picture: Picture, look: Look, opens: int | None = None) -> Candidate:
        """Create the candidate of a decoded picture."""
        return cls(picture.index, picture.time_seconds, look, opens, num_raw_bytes=picture.num_bytes, _picture=picture)

    def jpeg(self, max_side: int) -> tuple[bytes, int, int]:
        """Return (JPEG, width, height); it is encoded once, and the raw picture released."""
        if self._jpeg is None:
            assert self._picture is not None
            self._jpeg = as_jpeg(self._picture.upright(max_side), JPEG_QUALITY)
            self._picture, self.num_raw_bytes = None, 0
        return self._jpeg


class Pool:
    """Pool of at most `capacity` candidates in time order, spread over the time read.

    Candidates with the lowest score and with close neighbours are dropped first. While there are others, none is
    dropped that would leave a gap longer than one of `parts` equal parts of that time.
    """

    def __init__(self, capacity: int, parts: int = 1) -> None:
        self.items: list[Candidate] = []
        self._capacity = max(3, capacity)
        self._parts = parts

    def add(self, candidate: Candidate) -> None:
        """Insert a candidate; drop another one if the pool is full."""
        insort(self.items, candidate, key=lambda item: item.index)
        if len(self.items) > self._capacity:
            del self.items[self._least_missed()]

    def _least_missed(self) -> int:
        """Return the index of the candidate with the lowest score and closest neighbours; the first and last stay."""
        items = self.items
        longest = (items[-1].time_seconds - items[0].time_seconds) / self._parts

        def missed(place: int) -> tuple[bool, float]:
            around = items[place + 1].time_seconds - items[place - 1].time_seconds
            return around > longest, around * (_LEAST_SCORE + items[place].score)

        return min(range(1, len(items) - 1), key=missed)


def keep_within(pools: list[Pool], raw_bytes: int, max_side: int) -> None:
    """Encode the oldest raw pictures as JPEG until all raw ones together take at most `raw_bytes`."""
    raw = [item for pool in pools for item in pool.items if item.num_raw_bytes]
    total = sum(item.num_raw_bytes for item in raw)
    raw.sort(key=lambda item: item.index, reverse=True)
    while total > raw_bytes:
        item = raw.pop()
        total -= item.num_raw_bytes
        item.jpeg(max_side)


_RAW_BYTES = 48 << 20
"""Most memory for raw pictures. Twice as much saved 0.05 s of processor time on two minutes of 720p (docs/keyframes.md,
Speed)."""
_FEWEST_SPARE, _MOST_SPARE = 96, 256
"""Stable segments kept beyond the frames that may be chosen: more of them miss less but make more JPEGs. Chosen by
hand; not tuned."""
_OPENING_SECONDS = 0.4  # length of a window after a cut. Chosen by hand; not tuned.
_LEARNING_SAMPLES = 16
"""Number of first samples in which too little is known of a video to separate new content from what always moves, so
that only a cut counts; content that stays is found by a later candidate. Compared on the benchmark sets together
(docs/keyframes.md, Other footage)."""
# A later frame replaces the best one of a window if it is better by the first factor; one brighter by the second
# extends the window, up to _LONGEST_SECONDS. Chosen by hand; not tuned.
_BETTER = 1.15
_BRIGHTER = 1.08
_LONGEST_SECONDS = 2.5
_FRESHNESS = (0.8, 0.9)
"""Factors of the first frames after a cut, which may be a blend of both shots, or coarse. Chosen by hand; not tuned."""


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
        self._opening_pool = Pool(frames + 16)
        self._segment_pool = Pool(frames + min(_MOST_SPARE, 2 * frames + _FEWEST_SPARE), parts=frames)
        self._opening_windows: list[BestFrameWindow] = []
        self._unsettled: dict[int, Candidate] = {}
        self._verdicts: dict[int, bool] = {0: True}
        self._sampled_seconds = float("-inf")
        self._known_seconds = float("inf")
        self._last: tuple[Picture, Glance] | None = None
        self.sample: tuple[Look, float] | None = None

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
        is_sample = may_open or time - self._sampled_seconds >= self._sample_seconds
        if is_sample or self._opening_windows:
            look = look_at(glance, picture.luma())
            fresh += self._sampled(picture, look, may_open) if is_sample else []
            for window in self._opening_windows:
                window.offer(picture, look, self._segments.latest)
        return fresh

    def settle(self, index: int, is_cut: bool) -> list[Candidate]:
        """Record whether the frame at `index`, where a cut was suspected, begins a shot."""
        self._verdicts[index] = is_cut
        return self._place_settled()

    def finish(self) -> list[Candidate]:
        """Close what is open; call once, after the last verdict."""
        fresh = [*self._close(None), *self._kept(self._segments.finish())]
        if self._last is not None:
            picture, glance = self._last
            self._segment_pool.add(Candidate.of(picture, look_at(glance, picture.luma())))
        return fresh

    def candidates(self) -> list[Candidate]:
        """Return all kept candidates in time order, each frame once."""
        by_index = {item.index: item for item in (*self._segment_pool.items, *self._opening_pool.items)}
        return [by_index[index] for index in sorted(by_index)]

    def cell_values(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """Return the value of each cell of each candidate; call after `finish`."""
        cell_values = self._segments.cell_values(candidates)
        for item, values in zip(candidates, cell_values, strict=True):
            if item.opens is None and item.time_seconds < self._known_seconds:
                values[:] = 0.0
        return cell_values

    def _sampled(self, picture: Picture, look: Look, may_open: bool) -> list[Candidate]:
        self._sampled_seconds = picture.time_seconds
        ended = self._segments.take(picture, look, opens=may_open)
        self.sample = look, self._segments.latest.burst
        return self._kept(ended)

    def _kept(self, candidate: Candidate | None) -> list[Candidate]:
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

    def _keep(self, candidate: Candidate, pool: Pool) -> Candidate:
        pool.add(candidate)
        keep_within([self._opening_pool, self._segment_pool], _RAW_BYTES, self._max_side)
        return candidate


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

    def offer(self, picture: Picture, look: Look, arrival: NewContent) -> None:
        """Keep the frame if it is clearly better than the best one; extend the window while the picture brightens."""
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
