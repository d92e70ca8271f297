"""Layout of pictures: where they get lighter and darker, which finds a view again without any model.

A frame that is given once more is found whether it was scaled, compressed, brightened or framed by black bars; another
moment of a fixed camera is like it, another thing of the same kind is not (docs/benchmarks/search.md).
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from framelens.plugin.files import Region

Vector = NDArray[np.float32]
KEY = "layout 1"
"""Model of these vectors in the index."""
LEAST, SURE = 0.5, 0.85
"""Cosines from which two pictures show the same view: other places reach 0.36, a view seen again is above 0.78 in 95 of
100 cases. Where a model finds what is alike, only a view that is surely the same counts beside it."""
_COLUMNS, _ROWS = 24, 14
_DECODED = 192
"""Least side of a picture that is decoded."""
_BLACK, _SPECKS, _MOST_BARS = 32, 98, 0.4
"""Lines belong to bars if so many percent of their pixels are darker; and bars cover less than this share each."""
_PLAIN = 1.0
"""Mean step between cells, of 255 levels, below which a picture has no layout."""
_CHANGED, _FEWEST, _LARGEST = 16.0, 3, 0.15
"""Levels that a cell differs by, at least so many cells, and the largest share of the picture that they span."""


def layout_of(jpeg: bytes) -> Vector:
    """Return 672 numbers: the steps from cell to cell, to the right and down, as signed roots; 0 if there are none."""
    grey = _grey(jpeg)
    if grey is None:
        return np.zeros(2 * _COLUMNS * _ROWS, np.float32)
    cells = _cells(_without_bars(grey), _COLUMNS + 1, _ROWS + 1)
    steps = np.concatenate([np.diff(cells, axis=1)[:_ROWS].ravel(), np.diff(cells, axis=0)[:, :_COLUMNS].ravel()])
    if np.abs(steps).mean() < _PLAIN:
        return np.zeros_like(steps)
    roots: Vector = np.sign(steps) * np.sqrt(np.abs(steps))
    return roots


def changed_region(before: bytes, after: bytes) -> Region | None:
    """Return the part of a picture that differs from the one before, None if nothing does or too much.

    A change of the light as a whole is no difference.
    """
    pictures = [grey for grey in map(_grey, (before, after)) if grey is not None]
    if len(pictures) < 2 or pictures[0].shape != pictures[1].shape:
        return None
    first, second = (_cells(grey, _COLUMNS, _ROWS) for grey in pictures)
    difference = second - first
    rows, columns = np.nonzero(np.abs(difference - np.median(difference)) > _CHANGED)
    if len(rows) < _FEWEST:
        return None
    top, bottom = max(0, rows.min() - 1), min(_ROWS, rows.max() + 2)
    left, right = max(0, columns.min() - 1), min(_COLUMNS, columns.max() + 2)
    if (bottom - top) * (right - left) > _LARGEST * _ROWS * _COLUMNS:
        return None
    return (left / _COLUMNS, top / _ROWS, right / _COLUMNS, bottom / _ROWS)


def _grey(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Decode a picture in grey, None if that can't be done."""
    from PIL import Image

    try:
        with Image.open(BytesIO(jpeg)) as file:
            file.draft("L", (_DECODED, _DECODED))
            return np.asarray(file.convert("L"))
    except (OSError, SyntaxError, ValueError):
        return None


def _without_bars(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = _bar(grey), _bar(grey.T)
    height, width = grey.shape
    return grey[top : height - top, left : width - left]


def _bar(lines: NDArray[np.uint8]) -> int:
    """Return the height of the black bars above and below, 0 if one is missing or all is black."""
    is_black = np.percentile(lines, _SPECKS, axis=1) < _BLACK
    if is_black.all():
        return 0
    height = int(min(np.argmin(is_black), np.argmin(is_black[::-1])))
    return height if height < _MOST_BARS * len(lines) else 0


def _cells(grey: NDArray[np.uint8], columns: int, rows: int) -> Vector:
    """Return the means of the cells, from 0 to 255."""
    from PIL import Image

    return np.asarray(Image.fromarray(grey).resize((columns, rows), Image.Resampling.BOX), np.float32)
