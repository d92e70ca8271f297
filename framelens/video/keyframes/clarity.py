"""Clarity of candidates: whether they are blurred by a sweep of the camera, or mixed with the next shot.

Such a picture is new in every cell, but a reader sees nothing in it. A sweep is recognised by its samples: each is much
less sharp than samples just before and just after it in the same shot, and differs from the next sample. A slide with
few words, an object out of focus or a plain picture that is cut in stays for some samples.
"""

from array import array
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Boundary
from framelens.video.features.frame_signature import DetailedGlance

Which = NDArray[np.bool_]
Values = NDArray[np.float64]
Places = NDArray[np.intp]

_SWEEP_SECONDS = 0.5
"""Time before and after a blurred picture within which a sharp picture is shown: a sweep takes at most twice as long.
Not tuned."""
_BLURRED, _SOFT = 0.25, 0.5
"""Shares of the sharpness of the sharper side, and of either side, below which a picture is blurred; next to a blurred
picture, the second share of its own side is enough. In twelve drawn sweeps the middles have 0.003 to 0.2 of the sharper
side; no sample of 18 real clips without a sweep is below both. Not tuned."""
_MOVES = 1 / 255
"""Least mean difference of two samples of a picture that moves, 0..1 a channel: one level."""


class ClarityTracker:
    """Sharpness and movement of all samples, 24 bytes each: 0.8 MB an hour. Push them in time order."""

    def __init__(self) -> None:
        self._times = array("d")
        self._sharpness = array("d")
        self._moved = array("d")  # from the sample before
        self._last: DetailedGlance | None = None

    def push(self, time_seconds: float, look: DetailedGlance) -> None:
        """Add a sample."""
        moved = 0.0
        if self._last is not None:
            moved = cv2.norm(self._last.levels, look.levels, cv2.NORM_L1) / (255 * look.levels.size)
        self._times.append(time_seconds)
        self._sharpness.append(look.sharpness)
        self._moved.append(moved)
        self._last = look

    def unclear(self, times_seconds: Sequence[float], boundaries: Sequence[Boundary]) -> Which:
        """Return which pictures are blurred by a sweep or within a gradual transition.

        Args:
            times_seconds: Times of the pictures.
            boundaries: Boundaries of the shots, in time order.
        """
        times = np.asarray(times_seconds, np.float64)
        mixed = np.zeros(len(times), bool)
        for boundary in boundaries:
            start, end = boundary.mixed_seconds
            mixed |= (times > start) & (times < end)
        if not self._times:
            return mixed
        nearest = np.searchsorted(np.array(self._times), times, side="right") - 1
        swept = self._swept([boundary.end_seconds for boundary in boundaries])
        return np.asarray(mixed | swept[np.maximum(nearest, 0)])

    def _swept(self, borders: Sequence[float]) -> Which:
        """Return which samples are blurred by a sweep within a shot."""
        times, sharp, moved = (np.array(values) for values in (self._times, self._sharpness, self._moved))
        edges = np.array([-np.inf, *borders, np.inf])
        shots = np.searchsorted(edges, times, side="right")
        starts = np.searchsorted(times, np.maximum(times - _SWEEP_SECONDS, edges[shots - 1]))
        stops = np.searchsorted(times, np.minimum(times + _SWEEP_SECONDS, edges[shots]))
        places = np.arange(len(times))
        before, after = _highest(sharp, starts, places), _highest(sharp, places + 1, stops)
        lower, higher = np.minimum(before, after), np.maximum(before, after)
        moves = np.minimum(moved, np.append(moved[1:], 0.0)) > _MOVES
        middle = moves & (sharp < _SOFT * lower) & (sharp < _BLURRED * higher)
        follows, leads = _highest(middle, starts, places) > 0, _highest(middle, places + 1, stops) > 0
        begins, ends = leads & (sharp < _SOFT * before), follows & (sharp < _SOFT * after)
        return np.asarray(middle | (moves & (begins | ends)))


def _highest(values: Values | Which, starts: Places, stops: Places) -> Values:
    """Return the highest value in each half-open range of places, 0 in an empty range."""
    padded = np.append(values.astype(np.float64), 0.0)
    maxima = np.maximum.reduceat(padded, np.stack([starts, np.maximum(starts, stops)], axis=1).ravel())[::2]
    return np.where(starts < stops, maxima, 0.0)
