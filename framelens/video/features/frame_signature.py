"""Frame signatures: the few numbers by which frames are compared, and two measures of difference.

A Glance is cheap and computed for every frame; a DetailedGlance has more and is computed where a frame may be kept.
`change` measures whether two consecutive frames belong to one shot, `distance` whether two pictures look alike to a
reader. Both are 0 for equal pictures and about 1 for black against white.

The channels are luma, the two colour differences, and edges (how busy the cell is: text consists of edges).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.readers.base import CELL_SIZE, Image, as_image, scaled

ALIKE = 0.012
"""Largest `distance` at which two pictures look the same to a reader; the noise of a still camera stays below it."""
# Black pictures are darker and flatter than these two (luma 0..1).
_NEARLY_BLACK = 0.12
_FLAT = 0.04
_BRIGHTEST = 8  # cells: a word or two
_LIT = 0.08
"""Least luma (0..1) by which cells with thin bright letters exceed a black ground; noise makes no cell so light."""
_DIM = 0.3  # mean luma below which a picture counts less.
_BUSIEST_SHARE = 10  # one cell in ten.
Blocks = NDArray[np.float32]
"""4 x cells: luma, Cb, Cr and edges of each cell of the CELL_SIZE grid, by rows, each 0 … LEVELS - 1."""
LEVELS = 32  # 256 levels of luma in steps of _LUMA_STEP
NUM_CELLS = CELL_SIZE[0] * CELL_SIZE[1]
_LUMA_STEP = 8.0  # of 256: coarser than a camera's noise, finer than any contrast that is meant to be seen
_CHROMA_STEP = 4.0  # colour differences of real pictures use half the range
EDGE_STEPS = 4.0  # a doubling of the edges is four levels
_COARSE_SIZE = (8, 6)
"""Cells of the grid in which Signatures first compare pictures."""


@dataclass(frozen=True, eq=False)
class Glance:
    """Colour signature of a frame.

    Attributes:
        levels: Mean Y, Cb and Cr of each cell of the CELL_SIZE grid, 8 bit, 3 x cells by rows.
        spread: The levels, sorted in each channel.
        cells: The levels as 0..1.
        brightness: Mean of the luma, 0..1.
        contrast: Standard deviation of the luma, 0..1.
    """

    levels: Image
    spread: Image
    cells: NDArray[np.float32]
    brightness: float
    contrast: float

    @property
    def peak(self) -> float:
        """Return the luma of the brightest cells, 0..1, which is high on a dark title card and low on black."""
        return float(self.spread[0, -_BRIGHTEST]) / 255

    @property
    def is_black(self) -> bool:
        """Return whether the picture is dark and nearly flat, without words or lights in the dark."""
        return self.brightness < _NEARLY_BLACK and self.contrast < _FLAT and self.peak < self.brightness + _LIT


@dataclass(frozen=True, eq=False)
class DetailedGlance(Glance):
    """Glance with the details of the picture.

    Attributes:
        sharpness: Variance of the Laplacian of the luma at LUMA_SIZE, in 8-bit units.
        edges: Mean difference of neighbouring pixels in each cell, 8-bit units.
        luma: The picture's luma at LUMA_SIZE.
    """

    sharpness: float
    edges: NDArray[np.float32]
    luma: Image

    @property
    def quality(self) -> float:
        """Return how much the picture shows: rises slowly with sharpness, less if dim, almost nothing if black."""
        light = 0.1 if self.is_black else 0.4 + 0.6 * min(1.0, self.brightness / _DIM)
        return light * (1.0 + math.log1p(self.sharpness))

    @cached_property
    def blocks(self) -> Blocks:
        """Return the quantised channels of the picture, 4 x cells, each 0 … LEVELS - 1."""
        blocks = np.concatenate([self.levels, self.edges[None]], dtype=np.float32)
        blocks[0] /= _LUMA_STEP
        blocks[1:3] = (blocks[1:3] - 64) / _CHROMA_STEP
        blocks[3] = np.log2(1 + blocks[3]) * EDGE_STEPS
        return np.asarray(np.clip(blocks, 0, LEVELS - 1), np.float32)


def glance_at(levels: Image) -> Glance:
    """Return the Glance of a picture from its `levels`, as Picture.levels returns them."""
    flat = levels.reshape(3, -1)
    mean = cv2.sumElems(flat[0])[0] / NUM_CELLS
    return Glance(
        levels=flat,
        spread=np.sort(flat, axis=1, kind="stable"),  # for bytes this is a radix sort, three times faster
        cells=flat * np.float32(1 / 255),
        brightness=mean / 255,
        contrast=math.sqrt(_variance(flat[0])) / 255,
    )


def look_at(glance: Glance, luma: Image) -> DetailedGlance:
    """Return the DetailedGlance of the same picture; `luma` has LUMA_SIZE."""
    return DetailedGlance(
        **vars(glance), sharpness=_variance(cv2.Laplacian(luma, cv2.CV_16S)), edges=_edges(luma), luma=luma
    )


def _variance(values: cv2.typing.MatLike) -> float:
    """Return the variance of whole numbers, for which these sums are exact and faster than cv2.meanStdDev."""
    return cv2.norm(values, cv2.NORM_L2SQR) / values.size - (cv2.sumElems(values)[0] / values.size) ** 2


def _edges(luma: Image) -> NDArray[np.float32]:
    across = cv2.absdiff(luma[1:, 1:], luma[1:, :-1])
    down = cv2.absdiff(luma[1:, 1:], luma[:-1, 1:])
    return scaled(as_image(cv2.add(across, down)), CELL_SIZE).reshape(-1).astype(np.float32)


def change(before: Glance, after: Glance) -> float:
    """Return how much a frame differs from the previous frame, 0 … 1.

    Motion within a shot counts half, since it keeps the picture's colours.
    """
    levels = cv2.norm(before.levels, after.levels, cv2.NORM_L1)
    colour = cv2.norm(before.spread, after.spread, cv2.NORM_L1)
    return float((levels + colour) / (2 * 255 * before.levels.shape[1]))


def distance(glance: Glance, other: Glance) -> float:
    """Return how different two pictures look, 0 … 1.

    The mean over the frame and the mean over its most different cells count equally; the second half separates two
    slides that share their background.
    """
    return float(distances(glance.cells[None], other.cells)[0])


def distances(pictures: NDArray[np.float32], picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the `distance` between each of many pictures (n x 3 x cells) and a single picture (3 x cells)."""
    apart = pictures - picture
    cells = np.abs(apart, out=apart).sum(axis=1)
    mean = cells.mean(axis=1)
    busiest = max(1, cells.shape[1] // _BUSIEST_SHARE)
    cells.partition(cells.shape[1] - busiest, axis=1)
    return np.asarray((mean + cells[:, -busiest:].mean(axis=1)) / 2)


class Signatures:
    """Cells of pictures of which any two can be compared by their `distance`.

    The means of larger cells differ by no more than the cells do, so most pictures that differ are found without
    comparing every cell.

    Args:
        cells: The cells of n pictures: n x 3 x cells.
    """

    def __init__(self, cells: NDArray[np.float32]) -> None:
        self._cells = cells
        across, down = _COARSE_SIZE
        parts = cells.reshape(len(cells), 3, down, CELL_SIZE[1] // down, across, CELL_SIZE[0] // across)
        self._coarse = parts.mean(axis=(3, 5)).reshape(len(cells), -1) / (across * down)

    def near(
        self, index: int, others: NDArray[np.intp], limits: float | NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return which of the other pictures are like one at `index`, and how far they differ beyond the limit.

        The differences are negative, or 0 at the limit.

        Args:
            index: Index of a picture.
            others: Indices of the others.
            limits: Largest distance, of all or of each of them.
        """
        limits = np.broadcast_to(limits, len(others))
        least = np.abs(self._coarse[others] - self._coarse[index]).sum(axis=1)
        likely = least <= limits
        others = others[likely]
        beyond = distances(self._cells[others], self._cells[index]) - limits[likely]
        return others[beyond <= 0], beyond[beyond <= 0]
