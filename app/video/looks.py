"""From a thumb to a Look: the few numbers by which frames are compared, and the two ways of comparing them.

`change` asks whether two frames in succession belong to one shot; `distance` asks whether two pictures would look
alike to a reader. Both are 0 for equal pictures and about 1 for black against white.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.video.readers.base import CELL_SIZE, Image, Thumb, as_image, scaled

ALIKE = 0.012
"""Two pictures nearer than this look the same to a reader (noise of a still camera stays below)."""

_NEARLY_BLACK = 0.12
_FLAT = 0.04
_DIM = 0.3
_BUSIEST_SHARE = 10  # one cell in ten


@dataclass(frozen=True, eq=False)
class Look:
    """cells: CELL_SIZE grid of mean Y, Cb, Cr, 0..1, by rows; spread: the same values sorted within each channel.

    brightness and contrast are mean and standard deviation of the luma, 0..1; sharpness is the variance of the
    Laplacian of the thumb's luma in 8-bit units; edges are the mean differences of neighbouring pixels in each cell.
    """

    cells: NDArray[np.float32]
    spread: NDArray[np.float32]
    brightness: float
    contrast: float
    sharpness: float
    edges: NDArray[np.float32]

    @property
    def is_black(self) -> bool:
        return self.brightness < _NEARLY_BLACK and self.contrast < _FLAT

    @property
    def quality(self) -> float:
        """How much a picture of this look shows: rises slowly with sharpness, less if dim, near nothing if black."""
        light = 0.1 if self.is_black else 0.4 + 0.6 * min(1.0, self.brightness / _DIM)
        return light * (1.0 + math.log1p(self.sharpness))


def look_at(thumb: Thumb) -> Look:
    luma_cells = scaled(thumb.luma, CELL_SIZE)
    cells = np.asarray(np.stack([luma_cells, thumb.blue, thumb.red]).reshape(3, -1), np.float32) / np.float32(255)
    mean, deviation = cv2.meanStdDev(luma_cells)
    _, edges = cv2.meanStdDev(cv2.Laplacian(thumb.luma, cv2.CV_16S))
    return Look(
        cells=cells,
        spread=np.sort(cells, axis=1),
        brightness=float(mean[0, 0]) / 255,
        contrast=float(deviation[0, 0]) / 255,
        sharpness=float(edges[0, 0]) ** 2,
        edges=_edges(thumb.luma),
    )


def _edges(luma: Image) -> NDArray[np.float32]:
    across = cv2.absdiff(luma[1:, 1:], luma[1:, :-1])
    down = cv2.absdiff(luma[1:, 1:], luma[:-1, 1:])
    return scaled(as_image(cv2.add(across, down)), CELL_SIZE).reshape(-1).astype(np.float32)


def change(before: Look, after: Look) -> float:
    """How much one frame differs from the one before. What moves within a shot counts half: its colours stay."""
    place = float(np.abs(before.cells - after.cells).mean(axis=1).sum())
    colour = float(np.abs(before.spread - after.spread).mean(axis=1).sum())
    return 0.5 * place + 0.5 * colour


def distance(one: Look, other: Look) -> float:
    """How different two pictures look: the mean over the frame and the cells that differ most count alike.

    The second half is what tells two slides apart that share their background.
    """
    cells = np.abs(one.cells - other.cells).sum(axis=0)
    busiest = max(1, cells.size // _BUSIEST_SHARE)
    return 0.5 * float(cells.mean()) + 0.5 * float(np.partition(cells, -busiest)[-busiest:].mean())
