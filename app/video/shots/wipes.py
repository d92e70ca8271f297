"""Finder of wipes: edges that move through the picture and leave another one behind.

In a wipe each cell shows the first picture, then the second, with nothing in between; when it changes depends on its
place: along a line in any direction, or from or to the centre. An object that moves through the picture changes the
cells back again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.video.readers.base import CELL_SIZE

# The numbers below were chosen by hand and not tuned one by one. Together they detect 94 % of 1,344 wipes between real
# clips, and none in fifteen videos without wipes (docs/keyframes.md, "Shots").
_CHANGED = 0.08
"""Distance of a cell's two colours, 0..1 a channel, from which on the time of its change can be determined."""
_LEAST_CHANGED, _LEAST_CLEAN = 0.45, 0.75  # shares of all cells that change, and of these that change cleanly
_MOST_BETWEEN = 2  # samples in which the edge may cross a cell
_STEADY = 0.9  # share of the samples in which a cell shows one picture before its change and the other after it
_LEAST_STEPS = 5  # samples that the edge needs to cross the picture
_ORDERED = 0.85  # share of the variance of the times that the place explains
_AT_ONCE = 0.35  # share of the cells; if more change in one sample, it is a cut
_ENDS = 0.02  # share of the cells that may have changed before and after
_across, _down = np.meshgrid(
    (np.arange(CELL_SIZE[0]) + 0.5) / CELL_SIZE[0], (np.arange(CELL_SIZE[1]) + 0.5) / CELL_SIZE[1]
)
_LINE = np.stack([_across.ravel(), _down.ravel(), np.ones(_across.size)], axis=1)
_out_across, _out_down = np.abs(_across - 0.5).ravel(), np.abs(_down - 0.5).ravel()
_MIDDLE = np.stack([_out_across, _out_down, np.hypot(_out_across, _out_down), np.ones(_across.size)], axis=1)


class Swept(NamedTuple):
    """An edge that moves from sample `first` to `last`; `rest` is the share it leaves unexplained, 0 … 0.15."""

    rest: float
    first: int
    last: int


def find_wipe(moved: NDArray[np.float32]) -> Swept | None:
    """Return the moving edge that explains the samples, or None if there is no wipe.

    Args:
        moved: The samples less the first one, n x 3 x cells, 0..1.
    """
    whole = moved[-1]
    size = (whole**2).sum(axis=0)
    changed = np.flatnonzero(size > _CHANGED**2)
    if changed.size < _LEAST_CHANGED * size.size:
        return None
    shares = np.einsum("ncx,cx->nx", moved, whole)[:, changed] / size[changed]
    between = np.count_nonzero((shares > 0.2) & (shares < 0.8), axis=0) <= _MOST_BETWEEN
    if np.count_nonzero(between) < _LEAST_CLEAN * changed.size:
        return None
    after = shares > 0.5
    moments = after.argmax(axis=0)
    stays = after == (np.arange(len(moved))[:, None] >= moments)
    clean = between & (np.count_nonzero(stays, axis=0) > _STEADY * len(moved))
    if np.count_nonzero(clean) < _LEAST_CLEAN * changed.size:
        return None
    rest = _disorder(moments[clean], changed[clean], len(moved))
    if rest is None:
        return None
    first, last = np.quantile(moments[clean], (_ENDS, 1 - _ENDS))
    return Swept(rest, max(0, int(first) - 1), int(last))


def _disorder(moments: NDArray[np.intp], places: NDArray[np.intp], num_samples: int) -> float | None:
    counts = np.bincount(moments, minlength=num_samples)
    if (counts > 0).sum() < _LEAST_STEPS or counts.max() > _AT_ONCE * moments.size:
        return None
    rests = [_unexplained(moments.astype(np.float64), basis[places]) for basis in (_LINE, _MIDDLE)]
    rest = min(rests)
    return rest if rest <= 1 - _ORDERED else None


def _unexplained(moments: NDArray[np.float64], basis: NDArray[np.float64]) -> float:
    fitted = basis @ np.linalg.lstsq(basis, moments, rcond=None)[0]
    return float(((moments - fitted) ** 2).sum() / ((moments - moments.mean()) ** 2).sum())
