"""Whole ranges of dissolves, whose readings may span a part of them: of a long one, or of one between moving shots.

The pictures are projected on the difference between one before and one after the dissolve, of which cells that move
before or after it count for less (Fisher's linear discriminant with a diagonal covariance). What is projected stays
nearly level outside the dissolve and rises within it, by a curve where a shot moves on. The range is that of the curve
that fits best; samples around it count as well, since a part of a dissolve fits a curve, too, but isn't level outside.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Boundary
from framelens.video.features.frame_signature import Glance
from framelens.video.readers.base import Image

# Chosen on 18 dissolves of 0.5 to 2.5 s between four pairs of real clips, see docs/benchmarks/keyframes.md, "Shots".
_SAMPLE_SECONDS = 0.07
_BEYOND_SECONDS = 2.4
"""Most by which a range exceeds its reading at each end."""
_WITHIN_SECONDS = 0.35
"""Most by which a reading exceeds the range."""
_LONGEST_SECONDS, _SHORTEST_SECONDS = 3.2, 0.3
_MOST_LONGER = 3.0
"""Most of a range in terms of its reading; what turns around in a test pattern fits a curve, too."""
_LEVEL_SECONDS = 0.5
"""Seconds before and after a range in which the projection is level."""
_LEAST_LEVEL = 2  # samples there
_STEPS_SECONDS = (0.14, 0.035)
"""Steps in which ranges are tried, the second around the best of the first."""
_ROUNDS = 3
"""How often the pictures before and after are taken from the range found last."""
_CLEAR_SECONDS = 0.1
"""Distance of these pictures from the range."""
_NOISE_SECONDS = 1.0
"""Seconds before and after a range of which the movement is measured."""
_LEAST_NOISE = 8.0
"""Squared levels that a still cell varies by, at least."""
_MOST_CURVED = 0.7
"""Largest curvature in terms of the rise: four times the distance from a straight line halfway."""
_LEAST_RISE = 0.2
_MOST_OFF = 0.004
"""Mean square of what the curve leaves unexplained, in terms of the rise; beyond it the reading is kept."""
_READ = 0.125
"""Share of its length by which a dissolve exceeds its reading at each end: a reading spans shares of 0.1 to 0.9."""
_KEPT_SECONDS = _LONGEST_SECONDS + 2 * (_BEYOND_SECONDS + _LEVEL_SECONDS)

_Numbers = NDArray[np.floating]


class DissolveRanges:
    """Finder of whole ranges. `push` the frames, `add` each reading and `cut` when known, and get the `whole`."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Image]] = deque()
        self._cuts: list[float] = []
        self._waiting: list[Boundary] = []
        self._ranges: dict[Boundary, Boundary] = {}
        """By reading; an estimate until what follows is known."""

    def push(self, time_seconds: float, glance: Glance) -> None:
        """Add a frame."""
        if self._samples and time_seconds - self._samples[-1][0] < _SAMPLE_SECONDS:
            return
        self._samples.append((time_seconds, glance.levels))
        while time_seconds - self._samples[0][0] > _KEPT_SECONDS:
            self._samples.popleft()
        self._settle(time_seconds - _BEYOND_SECONDS - _LEVEL_SECONDS)

    def cut(self, seconds: float) -> None:
        """Add a cut, beyond which no range extends."""
        self._cuts.append(seconds)

    def add(self, reading: Boundary) -> None:
        """Add the reading of a dissolve."""
        self._waiting.append(reading)
        self._ranges[reading] = _estimate(reading)

    def finish(self) -> None:
        """Find the ranges of the last readings; call at the end of the video."""
        self._settle(inf)

    def whole(self, boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
        """Return the boundaries, those that are readings with their whole range."""
        return tuple(self._ranges.get(boundary, boundary) for boundary in boundaries)

    def _settle(self, until_seconds: float) -> None:
        for reading in [reading for reading in self._waiting if reading.end_seconds <= until_seconds]:
            self._waiting.remove(reading)
            self._ranges[reading] = self._whole(reading)

    def _whole(self, reading: Boundary) -> Boundary:
        start, end = reading.start_seconds, reading.end_seconds
        low = max((cut for cut in self._cuts if cut <= start), default=-inf)
        high = min((cut for cut in self._cuts if cut >= end), default=inf)
        samples = [sample for sample in self._samples if low <= sample[0] < high]
        if len(samples) > 2 * _LEAST_LEVEL:
            times = np.array([time for time, _ in samples])
            pictures = np.stack([levels.ravel() for _, levels in samples]).astype(np.float32)
            fitted = _fit(times, pictures, start, end)
            if fitted is not None and fitted[1] - fitted[0] <= _MOST_LONGER * (end - start):
                return replace(reading, start_seconds=fitted[0], end_seconds=fitted[1])
        estimated = _estimate(reading)
        start, end = max(low, estimated.start_seconds), min(high, estimated.end_seconds)
        return replace(reading, start_seconds=start, end_seconds=end)


def _estimate(reading: Boundary) -> Boundary:
    """Return the range of a dissolve by its reading alone."""
    start, end = reading.start_seconds, reading.end_seconds
    beyond = _READ * (end - start)
    return replace(reading, start_seconds=max(0.0, start - beyond), end_seconds=end + beyond)


def _fit(times: _Numbers, pictures: NDArray[np.float32], start: float, end: float) -> tuple[float, float] | None:
    """Return the range of the dissolve that was read from `start` to `end`, or None if no curve fits."""
    limits = (start - _BEYOND_SECONDS, start + _WITHIN_SECONDS), (end - _WITHIN_SECONDS, end + _BEYOND_SECONDS)
    best, off = (start, end), inf
    for _ in range(_ROUNDS):
        values = _project(times, pictures, *best)
        coarse, fine = _STEPS_SECONDS
        starts, ends = (np.arange(*limit, coarse) for limit in limits)
        best, off = _best(times, values, starts, ends)
        if off == inf:
            return None
        around = np.arange(-coarse, coarse + fine / 2, fine)
        best, off = _best(times, values, best[0] + around, best[1] + around)
    return best if off <= _MOST_OFF else None


def _project(times: _Numbers, pictures: NDArray[np.float32], start: float, end: float) -> _Numbers:
    """Return the share of the second picture in each. What moves in a cell before or after the range is its noise."""
    begin, done = bisect_left(times, start - _CLEAR_SECONDS), bisect_left(times, end + _CLEAR_SECONDS)
    begin, done = max(1, begin), min(len(times) - 1, done)
    before = pictures[bisect_left(times, times[begin - 1] - _NOISE_SECONDS) : begin]
    after = pictures[done : bisect_left(times, times[done] + _NOISE_SECONDS) + 1]
    whole = after[0] - before[-1]
    weights = whole / (before.var(axis=0) + after.var(axis=0) + _LEAST_NOISE)
    return np.asarray((pictures - before[-1]) @ weights / max(float(whole @ weights), 1e-6), np.float64)


def _best(times: _Numbers, values: _Numbers, starts: _Numbers, ends: _Numbers) -> tuple[tuple[float, float], float]:
    """Return the range whose curve leaves the least unexplained, and how much, infinite where none fits."""
    pairs = np.stack(np.meshgrid(starts, ends, indexing="ij"), axis=-1).reshape(-1, 2)
    lengths = pairs[:, 1] - pairs[:, 0]
    pairs = pairs[(lengths >= _SHORTEST_SECONDS) & (lengths <= _LONGEST_SECONDS)]
    begin, end = pairs[:, :1], pairs[:, 1:]
    before, after = (times >= begin - _LEVEL_SECONDS) & (times < begin), (times > end) & (times <= end + _LEVEL_SECONDS)
    weights = ((times >= begin - _LEVEL_SECONDS) & (times <= end + _LEVEL_SECONDS)).astype(np.float64)
    share = np.clip((times - begin) / (end - begin), 0, 1)
    basis = np.stack([1 - share, share, share * (1 - share)], axis=-1)
    weighted = basis * weights[..., None]
    products = np.swapaxes(weighted, 1, 2) @ basis + 1e-9 * np.eye(3)
    sums = np.swapaxes(weighted, 1, 2) @ values
    level, top, curve = parts = np.linalg.solve(products, sums[..., None])[..., 0].T
    rise = top - level
    rest = weights @ values**2 - np.einsum("im,mi->m", parts, sums)
    off = rest / np.maximum(weights.sum(axis=1) - 3, 1) / np.maximum(rise, _LEAST_RISE) ** 2
    is_possible = (before.sum(axis=1) >= _LEAST_LEVEL) & (after.sum(axis=1) >= _LEAST_LEVEL)
    is_possible &= (rise > _LEAST_RISE) & (np.abs(curve) <= _MOST_CURVED * rise)
    off = np.where(is_possible, np.maximum(off, 0), inf)
    if not off.size:
        return (0.0, 0.0), inf
    index = int(off.argmin())
    return (float(pairs[index, 0]), float(pairs[index, 1])), float(off[index])
