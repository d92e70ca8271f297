"""From a picture to the few numbers by which frames are compared, and the two ways of comparing them.

A Glance costs little and is taken of every frame; a Look knows details as well and is taken where a frame may be kept.
`change` asks whether two frames in succession belong to one shot; `distance` asks whether two pictures would look
alike to a reader. Both are 0 for equal pictures and about 1 for black against white.

The channels are luma, the two colour differences, and how busy the cell is (edges: what text is made of).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.video.readers.base import CELL_SIZE, Image, as_image, scaled

ALIKE = 0.012
"""Two pictures nearer than this look the same to a reader (noise of a still camera stays below)."""
_NEARLY_BLACK = 0.12
_FLAT = 0.04
_BRIGHTEST = 8  # cells: a word or two
_LIT = 0.08
"""What cells with thin bright letters are lighter than a black ground, at least; noise makes none so light."""
_DIM = 0.3
_BUSIEST_SHARE = 10  # one cell in ten
Blocks = NDArray[np.float32]
"""4 x cells: luma, Cb, Cr and edges of each cell of the CELL_SIZE grid, by rows, each 0 … LEVELS - 1."""
LEVELS = 32
NUM_CELLS = CELL_SIZE[0] * CELL_SIZE[1]
_LUMA_STEP = 8.0  # of 256: coarser than a camera's noise, finer than any contrast that is meant to be seen
_CHROMA_STEP = 4.0  # colour differences of real pictures use half the range
EDGE_STEPS = 4.0  # a doubling of the edges is four levels


@dataclass(frozen=True, eq=False)
class Glance:
    """levels: CELL_SIZE grid of mean Y, Cb, Cr, 8 bit, 3 x cells by rows; spread: the same, sorted in each channel.

    cells: the levels as 0..1; brightness and contrast: mean and standard deviation of the luma, 0..1.
    """

    levels: Image
    spread: Image
    cells: NDArray[np.float32]
    brightness: float
    contrast: float

    @property
    def peak(self) -> float:
        """The luma of the cells that are brightest, 0..1: a dark title card has them, a black picture has not."""
        return float(self.spread[0, -_BRIGHTEST]) / 255

    @property
    def is_black(self) -> bool:
        """Whether nothing is to be seen: dark, nearly flat, and no words or lights in the dark."""
        return self.brightness < _NEARLY_BLACK and self.contrast < _FLAT and self.peak < self.brightness + _LIT


@dataclass(frozen=True, eq=False)
class Look(Glance):
    """A Glance and: sharpness, the variance of the Laplacian of the luma at LUMA_SIZE in 8-bit units; edges, the mean
    differences of neighbouring pixels in each cell; luma, the picture at LUMA_SIZE."""

    sharpness: float
    edges: NDArray[np.float32]
    luma: Image

    @property
    def quality(self) -> float:
        """How much a picture of this look shows: rises slowly with sharpness, less if dim, near nothing if black."""
        light = 0.1 if self.is_black else 0.4 + 0.6 * min(1.0, self.brightness / _DIM)
        return light * (1.0 + math.log1p(self.sharpness))


def glance_at(levels: Image) -> Glance:
    """The Glance of a picture's `levels`, as Picture.levels gives them."""
    flat = levels.reshape(3, -1)
    mean, deviation = cv2.meanStdDev(flat[0])
    return Glance(
        levels=flat,
        spread=np.sort(flat, axis=1, kind="stable"),  # for bytes this is a radix sort, three times faster
        cells=flat * np.float32(1 / 255),
        brightness=float(mean[0, 0]) / 255,
        contrast=float(deviation[0, 0]) / 255,
    )


def look_at(glance: Glance, luma: Image) -> Look:
    """The Look of the same picture; `luma` at LUMA_SIZE."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return Look(**vars(glance), sharpness=float(deviation[0, 0]) ** 2, edges=_edges(luma), luma=luma)


def _edges(luma: Image) -> NDArray[np.float32]:
    across = cv2.absdiff(luma[1:, 1:], luma[1:, :-1])
    down = cv2.absdiff(luma[1:, 1:], luma[:-1, 1:])
    return scaled(as_image(cv2.add(across, down)), CELL_SIZE).reshape(-1).astype(np.float32)


def change(before: Glance, after: Glance) -> float:
    """How much one frame differs from the one before. What moves within a shot counts half: its colours stay."""
    place = cv2.norm(before.levels, after.levels, cv2.NORM_L1)
    colour = cv2.norm(before.spread, after.spread, cv2.NORM_L1)
    return float((place + colour) / (2 * 255 * before.levels.shape[1]))


def distance(one: Glance, other: Glance) -> float:
    """How different two pictures look: the mean over the frame and the cells that differ most count alike.

    The second half is what tells two slides apart that share their background.
    """
    return float(distances(one.cells[None], other.cells)[0])


def distances(many: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same for the cells of many pictures (n x 3 x cells) and those of one."""
    cells = np.abs(many - one).sum(axis=1)
    busiest = max(1, cells.shape[1] // _BUSIEST_SHARE)
    return np.asarray((cells.mean(axis=1) + np.partition(cells, -busiest, axis=1)[:, -busiest:].mean(axis=1)) / 2)


def blocks_of(look: Look) -> Blocks:
    blocks = np.concatenate([look.levels, look.edges[None]], dtype=np.float32)
    blocks[0] /= _LUMA_STEP
    blocks[1:3] = (blocks[1:3] - 64) / _CHROMA_STEP
    blocks[3] = np.log2(1 + blocks[3]) * EDGE_STEPS
    return np.asarray(np.clip(blocks, 0, LEVELS - 1), np.float32)
