"""From a look to its blocks: four numbers for each cell of a grid, in steps that a reader would just notice.

The channels are luma, the two colour differences, and how busy the cell is (edges: what text is made of).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import Look
from app.video.readers.base import CELL_SIZE

Blocks = NDArray[np.float32]
"""4 x cells: luma, Cb, Cr and edges of each cell of the CELL_SIZE grid, by rows, each 0 … LEVELS - 1."""

LEVELS = 32
NUM_CELLS = CELL_SIZE[0] * CELL_SIZE[1]

_LUMA_STEP = 8.0  # of 256: coarser than a camera's noise, finer than any contrast that is meant to be seen
_CHROMA_STEP = 4.0  # colour differences of real pictures use half the range
EDGE_STEPS = 4.0  # a doubling of the edges is four levels


def blocks_of(look: Look) -> Blocks:
    blocks = np.concatenate([look.levels, look.edges[None]], dtype=np.float32)
    blocks[0] /= _LUMA_STEP
    blocks[1:3] = (blocks[1:3] - 64) / _CHROMA_STEP
    blocks[3] = np.log2(1 + blocks[3]) * EDGE_STEPS
    return np.asarray(np.clip(blocks, 0, LEVELS - 1), np.float32)
