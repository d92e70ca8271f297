"""Recurrence: how often the new content of a candidate is there elsewhere in the video, with something else between.

A hand that sweeps before the lens every ten seconds is rare in every cell, yet not new the twentieth time. Content that
was there once, or that differs each time, as captions in one place do, is new each time. So pictures are compared in
their details, in the cells with new content. How alike two pictures must be to be the same again differs from video to
video (a trembling camera never shows the same twice), so the returns are counted at every threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import Blocks
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import Cells
from app.video.readers.base import CELL_SIZE, LUMA_SIZE, Image

_MOST_CELLS = 32
"""Cells that are compared, those with the highest value: a caption has 20 to 40. With 48 or 96 the events seen differ
by less than 0.01 (docs/keyframes.md, Events)."""
_MIN_NOVELTY = 1.0  # a smaller sum is noise
_LUMA_LEVELS = 4.0  # of 256, mean over a cell's pixels; a level of colour counts as much
_NOISE, _OTHER = 1.0, 7.0
"""Two cells whose difference is below the first show the same; beyond the second they show something else. With 1.5 and
4.5 or 1 and 11 the events seen differ by less than 0.01."""
_THRESHOLDS = np.linspace(0.05, 0.95, 10)[:, None]
"""Differences (0 … 1) below which a picture counts as the same again."""
_FREE_VISITS = 8
"""Number of times that content may be there without being habit: inserts of one source come up to five times in five
minutes, what passes or trembles again and again far more often. 8 and 10 give the same, 4 and 6 less."""
_LESS = 0.002
"""Share by which content counts less for each of these times: of two that are alike otherwise, the rarer one is chosen.
0 to 0.01; with 0.05 and more fewer inserts are seen at 8 frames."""


def uniqueness(candidates: Sequence[Candidate], cell_values: Cells, blocks: Blocks) -> NDArray[np.float64]:
    """Return for each candidate how far its new content is no habit of the video, 0 … 1.

    Args:
        candidates: Candidates in time order.
        cell_values: Value of each cell of each candidate, n x cells.
        blocks: Blocks of their looks, n x 4 x cells.
    """
    pixels = np.stack([_by_cell(item) for item in candidates])
    mean = np.full(pixels.shape[2], 1 / (_LUMA_LEVELS * pixels.shape[2]), np.float32)
    colours = blocks[:, 1:3]
    found = np.ones(len(candidates))
    for place in np.flatnonzero(cell_values.sum(axis=1) >= _MIN_NOVELTY):
        cells = np.argpartition(cell_values[place], -_MOST_CELLS)[-_MOST_CELLS:]
        weights = cell_values[place, cells]
        near = pixels[:, cells]
        luma = np.where(near > near[place], near - near[place], near[place] - near) @ mean
        colour = np.abs(colours[:, :, cells] - colours[place][:, cells]).sum(axis=1)
        other = np.clip((luma + colour - _NOISE) / (_OTHER - _NOISE), 0, 1)
        found[place] = _rarity(visits(other @ (weights / weights.sum()))).mean()
    return found


def _rarity(num_visits: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how far content that is there so often is no habit, 0 … 1."""
    return np.asarray((num_visits <= _FREE_VISITS) / (1 + _LESS * (num_visits - 1)))


def visits(differences: NDArray[np.float32]) -> NDArray[np.intp]:
    """Count for each threshold how often a series of differences falls below it; its start counts too."""
    is_there = differences <= _THRESHOLDS
    return np.asarray(is_there[:, 0] + (is_there[:, 1:] & ~is_there[:, :-1]).sum(axis=1))


def _by_cell(item: Candidate) -> Image:
    """Return the pixels of the luma by cell: every other one."""
    (width, height), (across, down) = LUMA_SIZE, CELL_SIZE
    parts = item.look.luma.reshape(down, height // down, across, width // across).transpose(0, 2, 1, 3)
    return np.asarray(parts.reshape(across * down, -1)[:, ::2], np.uint8)
