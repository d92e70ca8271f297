"""From the blocks of a whole video to what is habitual in it: how rare a value is in its place, in counts alone.

Memory does not grow with the video: for each cell and channel one histogram is kept. What passes every minute is
habit, whatever it looks like; what was there for a second is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import LEVELS, NUM_CELLS, Blocks

_WEIGHTS = np.array([1.0, 0.7, 0.7, 0.7], np.float32)  # of the channels; luma carries most of a picture
_COMMON_SHARE = 0.75
"""What a cell shows for this share of the time is not surprising there, however the values scatter."""
_MOST_SURPRISING = 6.0  # natural logarithm: once in 400 samples is rare enough, noise is rarer still
_RELEARN_EVERY = 64  # samples, about eight seconds


class RarityModel:
    """`learn` every sample; `rarity` then tells how unusual a sample is in each cell."""

    def __init__(self) -> None:
        self._counts = np.zeros((4, NUM_CELLS, LEVELS), np.float32)
        self._rows = LEVELS * np.arange(4 * NUM_CELLS).reshape(4, NUM_CELLS)
        self._table = np.zeros_like(self._counts)
        self._num = 0
        self._due = 1

    def learn(self, blocks: Blocks) -> None:
        self._counts.reshape(-1)[self._places(blocks)] += 1
        self._num += 1
        if self._num >= self._due:
            # Often at first, when each sample changes what is known.
            self._due = self._num + min(_RELEARN_EVERY, self._num)
            self.settle()

    def settle(self) -> None:
        """Works out the rarities anew from all that has been learnt."""
        near = np.pad(self._counts, ((0, 0), (0, 0), (1, 1)))
        smooth = 0.25 * near[..., :-2] + 0.5 * near[..., 1:-1] + 0.25 * near[..., 2:]
        surprise = -np.log((smooth + 0.5) / max(1, self._num))
        order = np.argsort(surprise, axis=2)
        reached = np.cumsum(np.take_along_axis(self._counts, order, 2), axis=2) >= _COMMON_SHARE * self._num
        place = np.take_along_axis(order, reached.argmax(axis=2)[..., None], 2)
        common = np.take_along_axis(surprise, place, 2)
        self._table = np.clip(surprise - common, 0, _MOST_SURPRISING) * _WEIGHTS[:, None, None]

    def rarity(self, blocks: Blocks) -> NDArray[np.float32]:
        """For each cell: 0 for the habitual, then the logarithm of how much rarer than that, summed over channels."""
        return np.asarray(self._table.reshape(-1)[self._places(blocks)].sum(axis=0), np.float32)

    def _places(self, blocks: Blocks) -> NDArray[np.intp]:
        """Where the values of the blocks stand in the flat tables: no two at one place."""
        return np.asarray(self._rows + blocks.astype(np.intp))
