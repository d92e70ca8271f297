"""Details of pictures by cell: differences that the mean of a cell hides, such as other words in the same lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import Blocks, DetailedGlance
from framelens.video.keyframes.sequence import Places
from framelens.video.readers.base import CELL_SIZE, LUMA_SIZE, Image

_LUMA_LEVELS = 4.0  # of 256, mean over a cell's pixels; a level of colour counts as much
_COLOURS = slice(1, 3)
Levels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Details:
    """Details of n pictures. What belongs to a cell lies together, so that few cells are read quickly.

    Attributes:
        pixels: Every other pixel of the luma at LUMA_SIZE, by cell: cells x n x pixels.
        colours: Levels of the two colour differences: cells x 2 x n.
    """

    pixels: Image
    colours: Blocks

    @classmethod
    def of(cls, looks: Sequence[DetailedGlance], blocks: Blocks) -> Self:
        """Return the details of pictures with these looks and blocks (n x 4 x cells)."""
        pixels = np.stack([_by_cell(look.luma) for look in looks], axis=1)
        return cls(pixels, np.ascontiguousarray(blocks[:, _COLOURS].T))

    def to_one(self, index: int, cells: Places) -> Levels:
        """Return by how many levels each picture differs from the picture at `index`, in some cells: n x cells."""
        pixels, colours = self.pixels[cells], self.colours[cells]
        tiled = np.tile(pixels[:, index], pixels.shape[1]).reshape(pixels.shape)
        return _levels(pixels, tiled, colours, colours[:, :, index, None])

    def to_next(self) -> Levels:
        """Return by how many levels each picture differs from the previous picture: n - 1 x cells."""
        return _levels(self.pixels[:, 1:], self.pixels[:, :-1], self.colours[:, :, 1:], self.colours[:, :, :-1])

    def between(self, places: Places, others: Places) -> Levels:
        """Return by how many levels the pictures at `places` differ from those at `others`, by cell.

        Args:
            places: Places of pictures, one for each cell: m x cells.
            others: The same.
        """
        first, second = self._at(places.T), self._at(others.T)
        return _levels(first.pixels, second.pixels, first.colours, second.colours)

    def _at(self, places: Places) -> Details:
        pixels = np.take_along_axis(self.pixels, places[..., None], axis=1)
        return Details(pixels, np.take_along_axis(self.colours, places[:, None], axis=2))


def _levels(pixels: Image, other_pixels: Image, colours: Blocks, other_colours: Blocks) -> Levels:
    size = pixels.shape[-1]
    apart = cv2.absdiff(pixels.reshape(-1, size), other_pixels.reshape(-1, size))
    sums = cv2.reduce(apart, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    luma = sums.reshape(pixels.shape[:-1]) / np.float32(_LUMA_LEVELS * size)
    return np.asarray((luma + np.abs(colours - other_colours).sum(axis=1)).T, np.float32)


def _by_cell(luma: Image) -> Image:
    (width, height), (across, down) = LUMA_SIZE, CELL_SIZE
    parts = luma.reshape(down, height // down, across, width // across).transpose(0, 2, 1, 3)
    return np.asarray(parts.reshape(across * down, -1)[:, ::2], np.uint8)
