"""From blocks in succession to what has just arrived in each cell, and for how long that stays news.

What moves comes from the neighbouring cells; what arrives (a caption, a slide, an object set down, a cut) was nowhere
near a moment ago. How much arrives is measured against what usually does in this video.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.video.blocks import NUM_CELLS, Blocks
from app.video.readers.base import CELL_SIZE

Cells = NDArray[np.float32]

_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.5], np.float32)
_REACH = np.ones((5, 5), np.uint8)  # what crosses more than two cells between samples crosses the picture in 2 s
_MOST_NEWS = 8.0  # levels; beyond, more contrast is not more news
_STILL_LEVELS = 1.5
_STAYS, _PASSES = 0.995, 0.8  # what of the news is left after one sample where the cell stands still, and where not
_PLAIN_LEVELS = 32
_OFTEN = 0.98
_PLAIN_FACTOR, _PLAIN_LEAST = 3.0, 0.7
"""A change in place counts from this many times the cell's own large changes, plus what noise and coding cause."""
_USUAL_SHARE = 0.99
_RELEARN_EVERY = 64
_NO_NEWS = 1.0  # less than this in sum is noise


@dataclass(frozen=True, eq=False)
class Arrival:
    """news: for each cell, 0 … 8, how far it stood out of what was near when it arrived, less with time.

    total: for each cell, how much arrived in the whole picture together with it; burst: 0 … 1, how unusual this
    sample's total is in what has been seen so far.
    """

    news: Cells
    total: Cells
    burst: float


class Arrivals:
    """`push` samples in order."""

    def __init__(self) -> None:
        self._before: Blocks | None = None
        self._held: Cells = np.zeros(NUM_CELLS, np.float32)
        self._total: Cells = np.zeros(NUM_CELLS, np.float32)
        self.latest = Arrival(self._held, self._total, 0.0)
        self._plain_counts = np.zeros((NUM_CELLS, _PLAIN_LEVELS), np.float32)
        self._sums: NDArray[np.float32] = np.zeros(160, np.float32)  # histogram of log2 of the news in sum, tenths
        self._floor: Cells = np.full(NUM_CELLS, _PLAIN_LEAST, np.float32)
        self._usual = 0.0
        self._num = 0
        self._due = 8

    def push(self, blocks: Blocks) -> Arrival:
        before, self._before = self._before, blocks
        if before is None:
            return self._first()
        steps = np.abs(blocks - before)
        plain = _WEIGHTS @ steps
        news = np.minimum(np.maximum(_WEIGHTS @ _outside(blocks, before), plain - self._floor), _MOST_NEWS)
        news = np.maximum(news, 0)
        total = float(news.sum())
        held = self._held * np.where(steps.sum(axis=0) < _STILL_LEVELS, _STAYS, _PASSES)
        fresh = news * total >= held * self._total
        self._held = np.where(fresh, news, held).astype(np.float32)
        self._total = np.where(fresh, np.float32(total), self._total).astype(np.float32)
        self._learn(plain, total)
        self.latest = Arrival(self._held, self._total, total / (total + self._usual + _NO_NEWS))
        return self.latest

    def _first(self) -> Arrival:
        """All of the first picture has just arrived."""
        self._held = np.full(NUM_CELLS, _MOST_NEWS, np.float32)
        self._total = np.full(NUM_CELLS, _MOST_NEWS * NUM_CELLS, np.float32)
        self.latest = Arrival(self._held, self._total, 1.0)
        return self.latest

    def weight(self, arrival: Arrival) -> Cells:
        """The news of an arrival by what is now known to be usual: ordinary traffic counts little."""
        return np.asarray(arrival.news * arrival.total / (arrival.total + self._usual + _NO_NEWS), np.float32)

    def _learn(self, plain: Cells, total: float) -> None:
        self._plain_counts[np.arange(NUM_CELLS), np.minimum(2 * plain, _PLAIN_LEVELS - 1).astype(np.intp)] += 1
        self._sums[min(159, int(10 * np.log2(1 + total)))] += 1
        self._num += 1
        if self._num >= self._due:
            self._due = self._num + min(_RELEARN_EVERY, self._num)
            often = (np.cumsum(self._plain_counts, axis=1) >= _OFTEN * self._num).argmax(axis=1) / 2
            self._floor = np.asarray(_PLAIN_FACTOR * often + _PLAIN_LEAST, np.float32)
            self._usual = float(2 ** ((np.cumsum(self._sums) >= _USUAL_SHARE * self._num).argmax() / 10) - 1)


def _outside(blocks: Blocks, before: Blocks) -> Blocks:
    """How far each value lies outside of all that was in the cells around it."""
    image = np.ascontiguousarray(before.T).reshape(CELL_SIZE[1], CELL_SIZE[0], 4)
    highest = np.asarray(cv2.dilate(image, _REACH)).reshape(-1, 4).T
    lowest = np.asarray(cv2.erode(image, _REACH)).reshape(-1, 4).T
    return np.asarray(np.maximum(0, np.maximum(blocks - highest, lowest - blocks)), np.float32)
