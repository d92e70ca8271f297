"""Novelty: new content in each cell of consecutive samples, and how long it stays new.

Motion comes from the neighbouring cells and continues; new content (a caption, a slide, an object set down, a cut) was
nowhere near a moment ago and stays for another moment, or fills the picture at once. A return to the previous content
and another light on the same picture are not new. The amount of new content is measured against the usual amount in
this video.

Constants whose comment names no measurement were chosen by hand, not tuned individually, while some forty variants of
the choice were compared on the benchmark videos (docs/benchmarks/keyframes.md, Events).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import EDGE_STEPS, LEVELS, NUM_CELLS, Blocks
from framelens.video.readers.base import CELL_SIZE

Cells = NDArray[np.float32]

WEIGHTS = np.array([1.0, 1.0, 1.0, 0.5], np.float32)
"""Weight of a level of each channel; text shows in its edges and in its luma, so edges count half."""
_REACH = np.ones((5, 5), np.uint8)  # what crosses more than two cells between samples crosses the picture in 2 s
_MAX_NOVELTY = 8.0  # levels; beyond, more contrast adds no novelty
_MIN_NOVELTY = 1.0  # levels; less doesn't replace the memory of a cell's previous content
_STILL_LEVELS = 1.5  # levels; a cell that changes less is still
_STAYS, _PASSES = 0.995, 0.8  # share of the novelty left after one sample in a still cell, and in a changing cell
_AS_BEFORE_LEVELS = 5.0  # levels; nearer than this, a cell has returned to its previous content
_PLAIN_LEVELS = 32
_OFTEN = 0.98
_PLAIN_FACTOR, _PLAIN_LEAST, _PLAIN_UNKNOWN = 3.0, 0.7, 4.0
"""A change in place counts above _PLAIN_FACTOR times the cell's own large changes (the _OFTEN quantile) plus
_PLAIN_LEAST for noise and coding; above _PLAIN_UNKNOWN while nothing is known of the cell yet."""
_SUDDEN = 3.0
"""Multiple of the usual amount from which new content is another picture, which need not stay still to count."""
_OTHER_LIGHT = 0.03  # relative change of brightness
_SAME_PICTURE = 0.97  # correlation of the luma
_USUAL_SHARE = 0.99  # quantile of the sums that counts as usual
_RELEARN_EVERY = 64  # samples, about eight seconds
_NOISE_NOVELTY = 1.0  # a smaller sum is noise


@dataclass(frozen=True, eq=False)
class NewContent:
    """New content of a sample.

    Attributes:
        novelty: For each cell, 0 … 8, how far it differed from its surroundings when it appeared, decaying with time.
        total: For each cell, the amount of new content in the whole picture at that moment.
        burst: How unusual this sample's total is among the samples up to now, 0 … 1.
    """

    novelty: Cells
    total: Cells
    burst: float


class _Usual:
    """Histogram of learnt sums; `share` returns how far a sum exceeds nearly all of them, 0 … 1."""

    def __init__(self) -> None:
        self._counts = np.zeros(160, np.float32)  # histogram of the logarithm of the sums, ten to an octave
        self._value = 0.0

    def learn(self, total: float, samples: int = 1) -> None:
        """Add a sum to the histogram, once for each of the samples that have it."""
        self._counts[min(159, int(10 * np.log2(1 + total)))] += samples

    def settle(self, num: int) -> None:
        """Recompute the usual sum from the `num` learnt sums."""
        self._value = float(2 ** ((np.cumsum(self._counts) >= _USUAL_SHARE * num).argmax() / 10) - 1)

    def share(self, total: float | Cells) -> float | Cells:
        """Return how unusual a sum is, 0 … 1; 0.5 for the usual sum if it is far above noise."""
        return total / (total + self._value + _NOISE_NOVELTY)

    def is_far_exceeded(self, total: float) -> bool:
        """Return whether a sum is many times the usual sum."""
        return total > _SUDDEN * (self._value + _NOISE_NOVELTY)


class NoveltyTracker:
    """Tracker of new content; `push` samples in time order."""

    def __init__(self) -> None:
        nothing = np.zeros(NUM_CELLS, np.float32)
        self.latest = NewContent(nothing, nothing, 0.0)
        self._before: Blocks | None = None
        self._gone = np.full((4, NUM_CELLS), np.inf, np.float32)  # what was there before the last arrival in each cell
        self._waiting = self._held = self._total = nothing
        self._plain_counts = np.zeros((NUM_CELLS, _PLAIN_LEVELS), np.float32)
        self._floor: Cells = np.full(NUM_CELLS, _PLAIN_UNKNOWN, np.float32)
        self._usual, self._usual_confirmed = _Usual(), _Usual()
        self._num = 0
        self._due = 8

    def push(self, blocks: Blocks) -> NewContent:
        """Return the new content of the next sample, 4 x cells."""
        before, self._before = self._before, blocks
        if before is None:
            return self._first()
        before = self._relit_before(before, blocks)
        steps = cv2.absdiff(blocks, before)
        plain = WEIGHTS @ steps
        novelty = self._novelty_of(blocks, before, plain)
        confirmed = self._waiting * (plain < _STILL_LEVELS)
        self._waiting = novelty
        self._held = self._held * np.where(steps.sum(axis=0) < _STILL_LEVELS, np.float32(_STAYS), np.float32(_PASSES))
        total, total_confirmed = cv2.sumElems(novelty)[0], cv2.sumElems(confirmed)[0]
        self._hold(confirmed, total_confirmed)
        if self._usual.is_far_exceeded(total):
            self._hold(novelty, total)
        burst = max(self._usual.share(total), self._usual_confirmed.share(total_confirmed))
        self._learn(plain, total, total_confirmed)
        self.latest = NewContent(self._held, self._total, float(burst))
        return self.latest

    def rest(self, samples: int) -> NewContent:
        """Return what is new after a time in which the last sample stayed, as long as this many samples."""
        assert self._before is not None
        latest = self.push(self._before)
        self._held = self._held * np.float32(_STAYS ** (samples - 1))
        self._learn(np.zeros(NUM_CELLS, np.float32), 0.0, 0.0, samples - 1)
        return latest

    def _first(self) -> NewContent:
        """Return the new content of the first picture: all of it, which is not carried to the next samples."""
        novelty = np.full(NUM_CELLS, _MAX_NOVELTY, np.float32)
        return NewContent(novelty, NUM_CELLS * novelty, 1.0)

    def weight(self, arrival: NewContent) -> Cells:
        """Return the novelty weighted by the usual amount known by now: ordinary traffic counts little."""
        return np.asarray(arrival.novelty * self._usual_confirmed.share(arrival.total), np.float32)

    def _novelty_of(self, blocks: Blocks, before: Blocks, plain: Cells) -> Cells:
        novelty = np.minimum(np.maximum(_outside(blocks, before), plain - self._floor), _MAX_NOVELTY)
        novelty[WEIGHTS @ cv2.absdiff(blocks, self._gone) < _AS_BEFORE_LEVELS] = 0
        self._gone = np.where(novelty > _MIN_NOVELTY, before, self._gone)
        return np.asarray(novelty, np.float32)

    def _hold(self, novelty: Cells, total: float) -> None:
        """Keep, for each cell, the content that appeared with the larger total."""
        fresh = novelty * total >= self._held * self._total
        self._held = np.where(fresh, novelty, self._held)
        self._total = np.where(fresh, np.float32(total), self._total)

    def _relit_before(self, before: Blocks, blocks: Blocks) -> Blocks:
        """Return the previous sample relit to the brightness of the current sample, if both show the same picture."""
        means = (cv2.mean(blocks[0])[0] + 1) / (cv2.mean(before[0])[0] + 1)
        if abs(means - 1) < _OTHER_LIGHT / 2 or not _are_alike(before[0], blocks[0]):
            return before
        gain = float(np.median((blocks[0] + 1) / (before[0] + 1)))
        if abs(gain - 1) < _OTHER_LIGHT:
            return before
        self._gone = _lit(self._gone, gain)
        return _lit(before, gain)

    def _learn(self, plain: Cells, total: float, total_confirmed: float, samples: int = 1) -> None:
        levels = np.minimum(2 * plain, _PLAIN_LEVELS - 1).astype(np.intp)
        self._plain_counts[np.arange(NUM_CELLS), levels] += samples
        self._usual.learn(total, samples)
        self._usual_confirmed.learn(total_confirmed, samples)
        self._num += samples
        if self._num >= self._due:
            self._due = self._num + min(_RELEARN_EVERY, self._num)
            often = (np.cumsum(self._plain_counts, axis=1) >= _OFTEN * self._num).argmax(axis=1) / 2
            self._floor = np.asarray(_PLAIN_FACTOR * often + _PLAIN_LEAST, np.float32)
            self._usual.settle(self._num)
            self._usual_confirmed.settle(self._num)


def _outside(blocks: Blocks, before: Blocks) -> Cells:
    """Return how far each cell lies outside the previous range of the cells around it, by all channels."""
    image = cv2.transpose(before).reshape(CELL_SIZE[1], CELL_SIZE[0], 4)
    now = cv2.transpose(blocks)
    highest = cv2.dilate(image, _REACH).reshape(now.shape)
    lowest = cv2.erode(image, _REACH).reshape(now.shape)
    return np.asarray(np.maximum(np.maximum(now - highest, lowest - now), 0) @ WEIGHTS, np.float32)


def _are_alike(cells: Cells, other: Cells) -> bool:
    cells, other = cells - np.float32(cv2.mean(cells)[0]), other - np.float32(cv2.mean(other)[0])
    spread = float(np.sqrt((cells @ cells) * (other @ other)))
    return spread > 0 and float(cells @ other) > _SAME_PICTURE * spread


def _lit(blocks: Blocks, gain: float) -> Blocks:
    """Return the blocks with their light multiplied by `gain`; existing edges grow with it."""
    lit = blocks.copy()
    lit[0] = (lit[0] + 1) * gain - 1
    has_edges = lit[3] > EDGE_STEPS / 2
    lit[3] = np.where(has_edges, np.clip(lit[3] + EDGE_STEPS * np.log2(gain), 0, LEVELS - 1), lit[3])
    return lit
