"""Stable segments of the picture, each from one appearance of new content to the next, and their best samples.

A segment ends when much new content appears at once or after a maximum length; its best sample is a candidate for a
keyframe. The final values of the samples are computed when the whole video is known.

Constants whose comment names no measurement were chosen by hand while some forty variants of the choice were compared
on the benchmark videos (docs/keyframes.md, Events); none was tuned by itself.

Memory does not grow with the video: one histogram is kept for each cell and channel. Content that passes every minute
is common, whatever it looks like; content that was there for a second is rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import LEVELS, NUM_CELLS, Blocks, Look, blocks_of
from app.video.keyframes.candidates import Candidate
from app.video.keyframes.novelty import Cells, NewContent, NoveltyTracker
from app.video.readers.base import Picture

SAMPLE_SECONDS = 0.115
"""Seconds between samples, eight to nine a second: content that lasts 0.3 s is sampled twice or more. Half and twice
the rate were measured: half found two to four of 62 events fewer for a seventh less of the processor time, twice two
more only together with decoding every frame (docs/keyframes.md, What speed costs in quality)."""
_LONGEST_SECONDS = 2.0  # longest segment
_BURST = 0.45  # nearly as much new content as in the busiest hundredth of the samples
_BETTER = 1.02  # factor by which a later sample must be better
_RARE_ENOUGH = 2.0  # e² times rarer than the common values is wholly unusual
_PLAIN_VALUE = 0.02  # value of an unusual cell without new content
_WEIGHTS = np.array([1.0, 0.7, 0.7, 0.7], np.float32)  # of the channels; luma carries most. Chosen by hand; not tuned.
_COMMON_SHARE = 0.75
"""Share of the time that a cell's most frequent values fill, which are common there however they scatter. Chosen by
hand; not tuned."""
_MOST_SURPRISING = 6.0  # natural logarithm: once in 400 samples is rare enough, noise is rarer still
_RELEARN_EVERY = 64  # samples, about eight seconds


class StableSegments:
    """Tracker of stable segments; `take` every sample and get the candidate of a segment that it ends.

    `latest` is the new content at the last sample, for candidates found in another way.
    """

    def __init__(self, *, longest_seconds: float = _LONGEST_SECONDS) -> None:
        self._longest = min(longest_seconds, _LONGEST_SECONDS)
        self._rarity = RarityModel()
        self._novelty = NoveltyTracker()
        self.latest = self._novelty.latest
        self._best: Candidate | None = None
        self._since = 0.0

    def take(self, picture: Picture, look: Look, *, opens: bool) -> Candidate | None:
        """Examine a sample and return the candidate of the segment that has ended before it, if any.

        `opens` says that a cut before the sample is suspected, which ends the segment.
        """
        blocks = blocks_of(look)
        self._rarity.learn(blocks)
        arrival = self.latest = self._novelty.push(blocks)
        ended = None
        time = picture.time_seconds
        if self._best is not None and (opens or arrival.burst > _BURST or time - self._since >= self._longest):
            ended, self._best = self._best, None
        score = float(self._cells(blocks, arrival).sum()) * look.quality
        if self._best is None:
            self._since = time
        if self._best is None or score > _BETTER * self._best.score:
            self._best = Candidate.of(picture, look)
            self._best.arrival, self._best.score = arrival, score
        return ended

    def finish(self) -> Candidate | None:
        """Return the candidate of the last segment, if any; call once, after the last sample."""
        ended, self._best = self._best, None
        self._rarity.settle()
        return ended

    def cell_values(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """Return the value of each cell of each candidate, by all samples."""
        return [self._cells(blocks_of(item.look), item.arrival or self.latest) for item in candidates]

    def _cells(self, blocks: Blocks, arrival: NewContent) -> Cells:
        unusual = np.minimum(self._rarity.rarity(blocks) / _RARE_ENOUGH, 1)
        return np.asarray(unusual * (self._novelty.weight(arrival) + _PLAIN_VALUE), np.float32)


class RarityModel:
    """Histograms of all samples; `learn` each one, then `rarity` returns how unusual a sample is in each cell."""

    def __init__(self) -> None:
        self._counts = np.zeros((4, NUM_CELLS, LEVELS), np.float32)
        self._rows = LEVELS * np.arange(4 * NUM_CELLS).reshape(4, NUM_CELLS)
        self._table = np.zeros_like(self._counts)
        self._num = 0
        self._due = 1

    def learn(self, blocks: Blocks) -> None:
        """Add a sample."""
        self._counts.reshape(-1)[self._places(blocks)] += 1
        self._num += 1
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
        place = np.take_along_axis(order, reached.argmax(axis=2)[..., None], 2)
        common = np.take_along_axis(surprise, place, 2)
        self._table = np.clip(surprise - common, 0, _MOST_SURPRISING) * _WEIGHTS[:, None, None]

    def rarity(self, blocks: Blocks) -> NDArray[np.float32]:
        """Return for each cell 0 if common, else the natural logarithm of how much rarer, summed over channels."""
        return np.asarray(self._table.reshape(-1)[self._places(blocks)].sum(axis=0), np.float32)

    def _places(self, blocks: Blocks) -> NDArray[np.intp]:
        """Return the distinct indices of the blocks' values in the flat tables."""
        return np.asarray(self._rows + blocks.astype(np.intp))
