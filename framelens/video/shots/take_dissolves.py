"""Test for dissolves between two takes of one scene, such as one speaker in two poses before one wall.

Most of the picture is the same in both takes, so few cells change, and a moving speaker changes as many. Pixels and
edges tell the two apart. Halfway through a dissolve each changing pixel lies between its two values, and the outlines
of both takes are visible at once, each with part of its contrast: their energy (the sum of squared gradients) drops. A
moving outline keeps its energy, and a pixel that it passes changes at once. Light that changes explains the difference
by a gain and an offset.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

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
_MIXED = (0.15, 0.85)
"""Shares of the second take between which a picture is clearly mixed."""
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
in movement."""
_AROUND = np.ones((3, 3), np.uint8)


class TakeFrame(NamedTuple):
    """The luma of a frame at LUMA_SIZE, and its time."""

    seconds: float
    luma: Image


class Mixed(NamedTuple):
    """A dissolve: its start and end in seconds, and the share of the change that it leaves unexplained, 0 … 1."""

    start_seconds: float
    end_seconds: float
    rest: float


def find_take_dissolve(samples: Sequence[TakeFrame]) -> Mixed | None:
    """Return the dissolve from the first of the samples to the last, or None if the samples show none.

    Args:
        samples: In time order, at least three.
    """
    first, last = samples[0].luma, samples[-1].luma
    changed = cv2.absdiff(first, last) > _CHANGED
    if not _CHANGED_SHARE[0] < np.count_nonzero(changed) / changed.size < _CHANGED_SHARE[1]:
        return None
    places = np.flatnonzero(changed)
    before = first.take(places).astype(np.float32)
    whole = last.take(places) - before
    if abs(float(whole.sum())) > _MOST_LIT * float(np.abs(whole).sum()):
        return None
    moved = np.stack([sample.luma.take(places) for sample in samples]) - before
    size = float(whole @ whole)
    shares = moved @ whole / size
    steps = np.diff(shares)
    mixed = np.flatnonzero((shares > _MIXED[0]) & (shares < _MIXED[1]))
    if mixed.size < _LEAST_MIXED or steps.min() < -_LARGEST_FALL or steps.max() > _LARGEST_STEP:
        return None
    share, moved = shares[mixed], moved[mixed]
    times = np.array([samples[place].seconds for place in mixed])
    slope, start = straight_line(times, share)
    if slope <= 0 or np.abs(share - slope * times - start).max() > _LARGEST_OFF:
        return None
    off = np.minimum(np.abs(moved / whole - share[:, None]), 1).mean(axis=1)
    if float((off / (2 * share * (1 - share))).mean()) > _MOST_SUDDEN:
        return None
    if not _loses_energy([samples[place].luma for place in mixed], share, first, last, changed):
        return None
    rest = float(np.sqrt(np.maximum((moved**2).sum(axis=1) / size - share**2, 0)).mean())
    begin, end = -start / slope, (1 - start) / slope
    return Mixed(max(samples[0].seconds, begin), min(samples[-1].seconds, end), rest)


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
