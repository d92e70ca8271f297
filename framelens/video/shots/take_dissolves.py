"""Test for dissolves between two takes of one scene, such as one speaker in two poses before one wall.

Most of the picture is the same in both takes, so few cells change, and a moving speaker changes as many. Pixels and
edges tell the two apart. Halfway through a dissolve each changing pixel lies between its two values, and the outlines
of both takes are visible at once, each with part of its contrast: their energy (the sum of squared gradients) drops. A
moving outline keeps its energy, and a pixel that it passes changes at once. An object that comes or goes, like light
that changes, makes the picture only lighter or only darker.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import DetailedGlance, Glance

_LENGTHS_SECONDS = (0.45, 0.6, 0.75, 0.95, 1.2, 1.6)
"""Lengths of dissolves that are looked for."""
_NUM_SHORT = 3
"""Number of the shortest lengths, which are read at every sample; the others are read at every second sample."""
_LEAST_SAMPLES = 4
"""Samples of a dissolve, with a sample before and after it."""
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


class _Sample:
    """A frame with its seconds; what is computed for one stretch is kept for the next."""

    def __init__(self, time_seconds: float, look: DetailedGlance) -> None:
        self.time_seconds = time_seconds
        self.look = look

    @cached_property
    def gradients(self) -> NDArray[np.float32]:
        """Return the differences of each pixel to its left and upper neighbour, 2 x pixels; no first row and column."""
        luma = self.look.luma
        pairs = ((luma[1:, 1:], luma[1:, :-1]), (luma[1:, 1:], luma[:-1, 1:]))
        return np.stack([cv2.subtract(*pair, dtype=cv2.CV_32F).ravel() for pair in pairs])

    @cached_property
    def energy(self) -> NDArray[np.float32]:
        """Return the squared gradient at each pixel."""
        return _products(self, self)


def _products(sample: _Sample, other: _Sample) -> NDArray[np.float32]:
    """Return the scalar product of the two gradients at each pixel."""
    return np.asarray(np.einsum("ij,ij->j", sample.gradients, other.gradients))


class TakeDissolveDetector:
    """Streaming detector. `push` frames in order."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._reads_all = False

    def push(self, time_seconds: float, look: DetailedGlance) -> list[Mixed]:
        """Add a frame, six to nine a second; return the dissolves of any length that may end with it."""
        self._samples.append(_Sample(time_seconds, look))
        while time_seconds - self._samples[0].time_seconds > 1.2 * _LENGTHS_SECONDS[-1]:
            self._samples.popleft()
        self._reads_all = not self._reads_all
        lengths = _LENGTHS_SECONDS if self._reads_all else _LENGTHS_SECONDS[:_NUM_SHORT]
        return list(filter(None, map(self._read, lengths)))

    def _read(self, length_seconds: float) -> Mixed | None:
        """Return the dissolve of this length that ends now, or None without a dissolve."""
        end = self._samples[-1].time_seconds
        index = bisect_left(self._samples, end - length_seconds - 1e-6, key=attrgetter("time_seconds"))
        if end - self._samples[index].time_seconds < 0.8 * length_seconds:
            return None
        if len(self._samples) - index < _LEAST_SAMPLES:
            return None
        return _dissolve(list(islice(self._samples, index, None)))


def _dissolve(samples: Sequence[_Sample]) -> Mixed | None:
    """Return the dissolve from the first of the samples to the last, or None if the samples show none."""
    begun, middle, ended = samples[0].look, samples[len(samples) // 2].look, samples[-1].look
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
    values = np.stack([sample.look.luma.take(places) for sample in samples]).astype(np.float32)
    size = float(whole @ whole)
    shares = (values @ whole - float(before @ whole)) / size
    steps = np.diff(shares)
    mixed = np.flatnonzero(are_mixed(shares))
    if mixed.size < _LEAST_MIXED or steps.min() < -_LARGEST_FALL or steps.max() > _LARGEST_STEP:
        return None
    share = shares[mixed]
    times = np.array([samples[index].time_seconds for index in mixed])
    slope, start = straight_line(times, share)
    if slope <= 0 or np.abs(share - slope * times - start).max() > _LARGEST_OFF:
        return None
    moved = values[mixed] - before
    off = np.minimum(np.abs(moved * (1 / whole) - share[:, None]), 1).mean(axis=1)
    if float((off / (2 * share * (1 - share))).mean()) > _MOST_SUDDEN:
        return None
    if not _loses_energy(samples, mixed, share, changed):
        return None
    rest = float(np.sqrt(np.maximum((moved**2).sum(axis=1) / size - share**2, 0)).mean())
    begin, end = -start / slope, (1 - start) / slope
    return Mixed(max(samples[0].time_seconds, begin), min(samples[-1].time_seconds, end), rest)


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
    samples: Sequence[_Sample], mixed: NDArray[np.intp], shares: NDArray[np.floating], changed: NDArray[np.bool_]
) -> bool:
    """Return whether the edges of mixed pictures have the energy of a mixture of the first and last picture.

    Args:
        samples: The pictures.
        mixed: Places of the mixed pictures among them.
        shares: Share of the last picture in each mixed picture.
        changed: The pixels around which edges count.
    """
    first, last = samples[0], samples[-1]
    where = cv2.dilate(changed.astype(np.uint8), _AROUND)[1:, 1:].ravel().astype(np.float32)
    energy, energy_after = float(where @ first.energy), float(where @ last.energy)
    if min(energy, energy_after) < _LEAST_ALIKE * max(energy, energy_after):
        return False
    common = float(where @ _products(first, last))
    preserved = (1 - shares) * energy + shares * energy_after
    expected = (1 - shares) ** 2 * energy + shares**2 * energy_after + 2 * shares * (1 - shares) * common
    drops = preserved - expected
    if (drops / np.maximum(preserved, 1e-6)).max() < _LEAST_DROP:
        return False
    energies = np.array([where @ samples[index].energy for index in mixed])
    return float(((energies - expected) / np.maximum(drops, 1e-6)).mean()) <= _MOST_KEPT


def straight_line(places: NDArray[np.float64], values: NDArray[np.floating]) -> tuple[float, float]:
    """Return slope and start of the straight line through the values, by least squares."""
    around = places - places.mean()
    slope = float(around @ values / (around @ around))
    return slope, float(values.mean() - slope * places.mean())


def are_mixed(shares: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which pictures are clearly mixed, by the share of the second picture in each."""
    return (shares > MIXED[0]) & (shares < MIXED[1])
