"""From the candidates that are shown to what each other one has that they have not, and to how often it was shown.

Cells are coarse: two captions in one place look alike in many of them and say different things. So a cell counts as
shown only while it goes on looking as it did, and what comes again is known by the whole of what it tells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.video.features.block_features import Blocks
from app.video.keyframes.novelty import WEIGHTS, Cells

_UNLIKE_LEVELS = 4.0
_SAME = 0.3
_UNSEEN = 255  # for unseen shares kept as bytes
_STILL = 0.5
"""As long as a cell is no more unlike than this, it goes on."""
_SAME_AGAIN = 0.05
"""Where no more than a twentieth of what a candidate tells looks otherwise, it is the same again: noise is less."""

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.float64]


class Shown:
    """Of candidates in time order with these `blocks`, whose cells are worth `worths`, those shown so far.

    Each question can be asked as if one of them, the one numbered `but`, were not.
    """

    def __init__(self, blocks: Blocks, worths: Cells) -> None:
        self._blocks = blocks
        self._worths = worths
        self._layers: list[Bytes] = []
        self._same: list[NDArray[np.bool_]] = []
        self._forget()

    def add(self, place: int) -> None:
        layer, same = self._compare(place)
        self._layers.append(layer)
        self._same.append(same)
        self._note(len(self._layers) - 1)

    def exchange(self, but: int, place: int) -> None:
        """Shows the candidate at `place` in place of the one numbered `but`."""
        self._layers[but], self._same[but] = self._compare(place)
        self._forget()
        for number in range(len(self._layers)):
            self._note(number)

    def unseen(self, but: int | None = None) -> Numbers:
        """What each candidate is worth by the cells that none shows yet; the same again counts by how often it was
        shown: the second time half, the third a third."""
        least = self._least if but is None else np.where(self._owner == but, self._second, self._least)
        added = np.einsum("kc,kc->k", self._worths, least.astype(np.float32)).astype(np.float64) / _UNSEEN
        again = sum((same for number, same in enumerate(self._same) if number != but), np.zeros(len(added), np.intp))
        return np.asarray(added / (1 + again))

    def _compare(self, place: int) -> tuple[Bytes, NDArray[np.bool_]]:
        """(for each candidate and cell, how little of it the one at `place` shows, 0 … 255; which are the same)."""
        apart = np.tensordot(WEIGHTS, np.abs(self._blocks - self._blocks[place]), axes=(0, 1)) / _UNLIKE_LEVELS
        unlike = np.asarray(_UNSEEN * np.clip(apart - _SAME, 0, 1), np.uint8)
        other = np.einsum("kc,kc->k", self._worths, unlike.astype(np.float32)) / _UNSEEN
        alike = unlike <= _STILL * _UNSEEN
        still = np.empty_like(alike)
        still[place:] = np.logical_and.accumulate(alike[place:])
        still[: place + 1] = np.logical_and.accumulate(alike[: place + 1][::-1])[::-1]
        return np.where(still, unlike, np.uint8(_UNSEEN)), other < _SAME_AGAIN * self._worths.sum(axis=1)

    def _forget(self) -> None:
        shape = self._worths.shape
        self._least = np.full(shape, _UNSEEN, np.uint8)
        self._second = np.full(shape, _UNSEEN, np.uint8)
        self._owner = np.full(shape, -1, np.int16)

    def _note(self, number: int) -> None:
        """Keeps, for each candidate and cell, the shown picture most like it, how unlike it is, and the next one."""
        layer = self._layers[number]
        is_least = layer < self._least
        self._second = np.where(is_least, self._least, np.minimum(self._second, layer))
        self._owner = np.where(is_least, np.int16(number), self._owner)
        self._least = np.where(is_least, layer, self._least)
