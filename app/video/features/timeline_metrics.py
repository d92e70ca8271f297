"""Timeline metrics: Measures of a video in at most MOST_STEPS steps, and its black, frozen and flashing segments.

Memory does not grow with the video: when it is longer than the steps reach, the step doubles and neighbours are
merged. Nothing is decoded or scaled here; app.video.features.segments detects the segments.
"""

from __future__ import annotations

import math
from copy import copy

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Measures, Stretch
from app.video.features.frame_signature import Look
from app.video.features.segments import Blackness, Flashes, Stillness

MOST_STEPS = 600  # 150 s at the first step. Chosen by hand; not tuned.
_FIRST_STEP_SECONDS = 0.25  # two samples
_LEAST_SECONDS = 0.001  # keeps the motion of two samples at one time finite
_NEUTRAL = 128 / 255
_EXTREMELY_COLOURFUL = 109 / 255
"""The scale of Hasler & Suesstrunk, "Measuring colourfulness in natural images" (2003), calls 109 of 255 "extremely
colourful"; it is 1 here."""

# Their opponent axes from Cb and Cr (BT.601; the luma falls out of both): R - G, and (R + G) / 2 - B.
_AXES = np.array([[0.344136, 2.116136], [-1.944068, 0.343932]], np.float32)

_Values = NDArray[np.float64]


class TimelineMeter:
    """Meter for the samples and the brightness of every frame in time order; `finish` may be called at any moment."""

    def __init__(self) -> None:
        self._steps = _Steps()
        self._black, self._still, self._flashes = Blackness(), Stillness(), Flashes()
        self._before: tuple[float, NDArray[np.float32]] | None = None

    def take(self, time_seconds: float, look: Look, *, burst: float) -> None:
        """Record a sample, about eight a second; `burst` is how much new content it has, 0 … 1."""
        luma = look.cells[0]
        before_seconds, before = self._before or (time_seconds, luma)
        moved = float(np.abs(luma - before).mean())
        motion = min(1.0, moved / max(time_seconds - before_seconds, _LEAST_SECONDS))
        self._before = time_seconds, luma
        self._steps.add(time_seconds, burst, (motion, look.brightness, look.sharpness, colourfulness(look)))
        self._black.take(time_seconds, look.is_black)
        self._still.take(time_seconds, look, moved)

    def light(self, time_seconds: float, brightness: float) -> None:
        """Record the mean luma, 0 … 1, of a decoded frame: before `take` if the frame is also a sample."""
        self._black.light(time_seconds, brightness)
        self._flashes.light(time_seconds, brightness)

    def finish(self, end_seconds: float) -> tuple[Measures | None, tuple[Stretch, ...]]:
        """Return the Measures (None without samples) and the segments by their start, if the video ends here."""
        detectors = (self._black, self._still, self._flashes)
        found = (stretch for detector in detectors for stretch in detector.until(end_seconds))
        return self._steps.measures(end_seconds), tuple(sorted(found, key=lambda one: one.start_seconds))


def colourfulness(look: Look) -> float:
    """Return the colourfulness after Hasler & Suesstrunk; 1 is "extremely colourful".

    It is computed from the cells' means, so colours in areas smaller than a cell count as their mixture.
    """
    axes = _AXES @ (look.cells[1:] - np.float32(_NEUTRAL))
    means = axes.mean(axis=1)
    spread = float(np.vdot(axes, axes)) / axes.shape[1] - float(means @ means)
    return (math.sqrt(max(0.0, spread)) + 0.3 * math.hypot(*means.tolist())) / _EXTREMELY_COLOURFUL


class _Steps:
    """Accumulator of the highest change, the number of samples and the sums of their four values in each step."""

    def __init__(self) -> None:
        self._seconds = _FIRST_STEP_SECONDS
        self._peaks: _Values = np.zeros(MOST_STEPS)
        self._sums: _Values = np.zeros((5, MOST_STEPS))

    def add(self, time_seconds: float, change: float, values: tuple[float, float, float, float]) -> None:
        self._reach(time_seconds)
        place = min(int(time_seconds / self._seconds), MOST_STEPS - 1)
        self._peaks[place] = max(self._peaks[place], change)
        self._sums[:, place] += (1.0, *values)

    def measures(self, end_seconds: float) -> Measures | None:
        sampled = np.flatnonzero(self._sums[0])
        if not sampled.size:
            return None
        steps = copy(self)  # growing replaces the arrays, so these stay unchanged
        steps._reach(end_seconds)
        return steps._measures(end_seconds)

    def _reach(self, seconds: float) -> None:
        """Double the steps until they reach `seconds`: neighbours' peaks give a maximum, their sums a sum."""
        while seconds > self._seconds * MOST_STEPS:
            self._seconds *= 2
            self._peaks = _front(self._peaks.reshape(-1, 2).max(axis=1))
            self._sums = _front(self._sums.reshape(5, -1, 2).sum(axis=2))

    def _measures(self, end_seconds: float) -> Measures:
        """Return the Measures; a step without a sample repeats the last picture and moves as the next sample found."""
        sampled = np.flatnonzero(self._sums[0])
        number = max(int(sampled[-1]) + 1, min(MOST_STEPS, math.ceil(end_seconds / self._seconds)))
        steps = np.arange(number)
        before = sampled[np.maximum(0, np.searchsorted(sampled, steps, "right") - 1)]
        after = sampled[np.minimum(sampled.size - 1, np.searchsorted(sampled, steps))]
        moves, *shown = self._sums[1:] / np.maximum(1.0, self._sums[0])
        moved = np.where(steps <= sampled[-1], moves[after], 0.0)
        rows = (self._peaks[:number], moved, *(values[before] for values in shown))
        change, motion, brightness, sharpness, colour = (tuple(row.tolist()) for row in rows)
        return Measures(self._seconds, change, motion, brightness, sharpness, colour)


def _front(half: _Values) -> _Values:
    return np.concatenate([half, np.zeros_like(half)], axis=-1)
