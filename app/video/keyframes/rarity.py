"""Rarity: how rarely a cell has a value in the whole video, from histograms.

Memory does not grow with the video: one histogram is kept for each cell and channel. Content that passes every minute
is common, whatever it looks like; content that was there for a second is rare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import LEVELS, NUM_CELLS, Blocks

_WEIGHTS = np.array([1.0, 0.7, 0.7, 0.7], np.float32)  # of the channels; luma carries most. Chosen by hand; not tuned.
_COMMON_SHARE = 0.75
"""Share of the time that a cell's most frequent values fill, which are common there however they scatter. Chosen by
hand; not tuned."""
_MOST_SURPRISING = 6.0  # natural logarithm: once in 400 samples is rare enough, noise is rarer still
_RELEARN_EVERY = 64  # samples, about eight seconds


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
