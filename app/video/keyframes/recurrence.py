"""From candidates to how often what each one tells comes again elsewhere in the video.

A hand that sweeps before the lens every ten seconds is rare in every cell and still no news the twentieth time. What
was there once, or says something else each time, as captions in one place do, is news each time. So pictures are
compared in their details, where the news is, and weighed by how busy it is there: two boxes look alike, two texts in
them do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import Blocks
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import Cells
from app.video.readers.base import CELL_SIZE, LUMA_SIZE, Image

_MOST_CELLS = 32  # of a candidate, those that tell most: a caption has about as many
_LEAST_NEWS = 5.0  # what tells less in sum is noise
_LUMA_LEVELS = 4.0  # of 256, in the mean of a cell's pixels; a level of colour counts as much
_NOISE, _OTHER = 1.5, 3.5
"""A cell that is no further from another one than the first shows the same; beyond the second something else."""
_AGAIN, _GONE = 0.9, 0.7
"""The share of what a candidate tells that is there again, and below which it has gone meanwhile."""


def times_again(candidates: Sequence[Candidate], worths: Cells, blocks: Blocks) -> NDArray[np.float64]:
    """How often each candidate's news comes again before or after it, with something else between.

    `worths` tells what each cell of each candidate is worth (n x cells), `blocks` are those of their looks (n x 4 x
    cells); both in time order, as the candidates.
    """
    pixels = np.stack([_by_cell(item) for item in candidates])
    mean = np.full(pixels.shape[2], 1 / (_LUMA_LEVELS * pixels.shape[2]), np.float32)
    colours = blocks[:, 1:3]
    found = np.zeros(len(candidates))
    for place in np.flatnonzero(worths.sum(axis=1) >= _LEAST_NEWS):
        weights = worths[place] * blocks[place, 3]
        cells = np.argpartition(weights, -_MOST_CELLS)[-_MOST_CELLS:]
        whole = float(weights[cells].sum())
        if whole:
            near = pixels[:, cells]
            luma = np.where(near > near[place], near - near[place], near[place] - near) @ mean
            colour = np.abs(colours[:, :, cells] - colours[place][:, cells]).sum(axis=1)
            other = np.clip((luma + colour - _NOISE) / (_OTHER - _NOISE), 0, 1)
            found[place] = _visits(1 - other @ (weights[cells] / whole)) - 1
    return found


def _by_cell(item: Candidate) -> Image:
    """The pixels of the luma, cell by cell: every other one, as on a chessboard."""
    (width, height), (across, down) = LUMA_SIZE, CELL_SIZE
    parts = item.look.luma.reshape(down, height // down, across, width // across).transpose(0, 2, 1, 3)
    return np.asarray(parts.reshape(across * down, -1)[:, ::2], np.uint8)


def _visits(shares: NDArray[np.float32]) -> int:
    """How often a share comes that is again as large, each time after it had gone; the candidate's own is 1."""
    told = shares[(shares > _AGAIN) | (shares < _GONE)] > _AGAIN
    return int(told[0]) + int((told[1:] & ~told[:-1]).sum())
