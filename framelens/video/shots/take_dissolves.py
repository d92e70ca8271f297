"""Test for dissolves between two takes of one scene, such as one speaker in two poses before one wall.

Most of the picture is the same in both takes, so few cells change, and a moving speaker changes as many. Pixels and
edges tell the two apart. Halfway through a dissolve each changing pixel lies between its two values, and the outlines
of both takes are visible at once, each with part of its contrast: their energy (the sum of squared gradients) drops. A
moving outline keeps its energy, and a pixel that it passes changes at once. An object that comes or goes, like light
that changes, makes the picture only lighter or only darker.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import DetailedGlance, Glance
from framelens.video.readers.base import Image

# The limits were chosen on one half of the footage (docs/benchmarks/keyframes.md, "Shots"): of 24 dissolves between two
# takes of one man 21 are found, and 0 of 25,598 stretches without a dissolve are mistaken for a dissolve.
_CHANGED = 16
"""Least difference of a pixel that has changed, in levels of 256."""
_CHANGED_SHARE = (0.04, 0.5)
"""Share of the pixels that change."""
_MOST_LIT = 0.5
"""Mean difference of the changed pixels over their mean absolute difference, at most: some get lighter, others darker.
Measured: 0 to 0.36 in dissolves, 0.86 to 1 where an object comes or goes, or the light changes."""
MIXED = (0.15, 0.85)
"""Shares of the second picture between which a picture is clearly mixed."""
_LEAST_MIXED = 2
_LARGEST_FALL, _LARGEST_STEP = 0.08, 0.6
"""Most by which the second take's share falls and rises from one sample to the next."""
_LARGEST_OFF = 0.08
"""Largest distance of a share from a straight line over time."""
_MOST_SUDDEN = 0.78
"""Mean distance of a changed pixel's share from the picture's, at most, where 1 means that each pixel changes at once.
Measured: 0.17 to 0.75 in dissolves, since both takes move on."""
_LEAST_ALIKE = 0.5
"""Least energy of one take's edges over the other's."""
_LEAST_DROP = 0.2
"""Least drop of the energy that is expected halfway; below it, the outlines of the takes are too alike to tell."""
_MOST_KEPT = 0.2
"""Share of the expected drop that is missing, in the mean of the mixed samples. Measured: -0.2 to 0.2 in dissolves, 1
mostly in movement."""
_CELL_CHANGE = 0.04
"""Least difference of a cell's luma, 0..1, that has changed."""
_CHANGED_CELLS, _HALFWAY, _MOST_REST, _MOST_LIT_CELLS = (0.04, 0.6), (0.2, 0.8), 0.5, 0.6
"""Share of the cells that change; share of the last picture halfway; share of the change that the mixture leaves
unexplained there, at most; and as `_MOST_LIT` for all cells. Pixels are compared where these hold."""
_AROUND = np.ones((3, 3), np.uint8)


class Mixed(NamedTuple):
    """A dissolve: its start and end in seconds, and the share of the change that it leaves unexplained, 0 … 1."""

    start_seconds: float
    end_seconds: float
    rest: float


def find_take_dissolve(samples: Sequence[tuple[float, DetailedGlance]]) -> Mixed | None:
    """Return the dissolve from the first of the samples to the last, or None if the samples show none.

    Args:
        samples: Frames with their seconds, in time order, at least three.
    """
    (_, begun), (_, middle), (_, ended) = samples[0], samples[len(samples) // 2], samples[-1]
    if not _may_dissolve(begun, middle, ended):
        return None
    first, last = begun.luma, ended.luma
    changed = cv2.absdiff(first, last) > _CHANGED
    if not _CHANGED_SHARE[0] < np.count_nonzero(changed) / changed.size < _CHANGED_SHARE[1]:
        return None
    places = np.flatnonzero(changed)
    before = first.take(places).astype(np.float32)
    whole = last.take(places) - before
    if abs(float(whole.sum())) > _MOST_LIT * float(np.abs(whole).sum()):
        return None
    moved = np.stack([look.luma.take(places) for _, look in samples]) - before
    size = float(whole @ whole)
    shares = moved @ whole / size
    steps = np.diff(shares)
    mixed = np.flatnonzero(are_mixed(shares))
    if mixed.size < _LEAST_MIXED or steps.min() < -_LARGEST_FALL or steps.max() > _LARGEST_STEP:
        return None
    share, moved = shares[mixed], moved[mixed]
    times = np.array([samples[place][0] for place in mixed])
    slope, start = straight_line(times, share)
    if slope <= 0 or np.abs(share - slope * times - start).max() > _LARGEST_OFF:
        return None
    off = np.minimum(np.abs(moved / whole - share[:, None]), 1).mean(axis=1)
    if float((off / (2 * share * (1 - share))).mean()) > _MOST_SUDDEN:
        return None
    if not _loses_energy([samples[place][1].luma for place in mixed], share, first, last, changed):
        return None
    rest = float(np.sqrt(np.maximum((moved**2).sum(axis=1) / size - share**2, 0)).mean())
    begin, end = -start / slope, (1 - start) / slope
    return Mixed(max(samples[0][0], begin), min(samples[-1][0], end), rest)


def _may_dissolve(first: Glance, middle: Glance, last: Glance) -> bool:
    """Return whether part of the scene changes, and the middle resembles a mixture enough to compare pixels."""
    difference = cv2.absdiff(first.levels[0], last.levels[0])
    changed = cv2.countNonZero(cv2.threshold(difference, 255 * _CELL_CHANGE, 255, cv2.THRESH_BINARY)[1])
    if not _CHANGED_CELLS[0] < changed / difference.size < _CHANGED_CELLS[1]:
        return False
    if abs(last.brightness - first.brightness) * 255 > _MOST_LIT_CELLS * cv2.sumElems(difference)[0] / difference.size:
        return False
    whole, part = last.cells[0] - first.cells[0], middle.cells[0] - first.cells[0]
    size = float(whole @ whole)
    share = float(part @ whole) / size
    return _HALFWAY[0] < share < _HALFWAY[1] and float(part @ part) / size - share**2 < _MOST_REST**2


def _loses_energy(
    lumas: Sequence[Image], shares: NDArray[np.floating], first: Image, last: Image, changed: NDArray[np.bool_]
) -> bool:
    """Return whether the edges of mixed pictures have the energy of a mixture of the first and last picture.

    Args:
        lumas: Mixed pictures.
        shares: Share of the last picture in each.
        first: The first picture.
        last: The last picture.
        changed: The pixels around which edges count.
    """
    where = np.flatnonzero(cv2.dilate(changed.astype(np.uint8), _AROUND)[1:, 1:])
    before, after = _gradients(first, where), _gradients(last, where)
    energy, energy_after, common = float(before @ before), float(after @ after), float(before @ after)
    if min(energy, energy_after) < _LEAST_ALIKE * max(energy, energy_after):
        return False
    missing, drops = [], []
    for luma, share in zip(lumas, shares, strict=True):
        edges = _gradients(luma, where)
        kept = (1 - share) * energy + share * energy_after
        expected = (1 - share) ** 2 * energy + share**2 * energy_after + 2 * share * (1 - share) * common
        drop = kept - expected
        missing.append((float(edges @ edges) - expected) / max(drop, 1e-6))
        drops.append(drop / max(kept, 1e-6))
    return max(drops) >= _LEAST_DROP and float(np.mean(missing)) <= _MOST_KEPT


def _gradients(luma: Image, where: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the differences of neighbouring pixels, across and down, at some pixels."""
    values = luma.astype(np.float32)
    across, down = values[1:, 1:] - values[1:, :-1], values[1:, 1:] - values[:-1, 1:]
    return np.concatenate([across.take(where), down.take(where)])


def straight_line(places: NDArray[np.float64], values: NDArray[np.floating]) -> tuple[float, float]:
    """Return slope and start of the straight line through the values, by least squares."""
    around = places - places.mean()
    slope = float(around @ values / (around @ around))
    return slope, float(values.mean() - slope * places.mean())


def are_mixed(shares: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which pictures are clearly mixed, by the share of the second picture in each."""
    return (shares > MIXED[0]) & (shares < MIXED[1])
