"""From glances a few times a second to dissolves and wipes: stretches in which one picture turns into another one.

Within a dissolve every picture is a mixture of the same two, with ever more of the second. What moves is no mixture,
and light that changes mixes a picture with itself: neither is a dissolve. Wipes are read in app.video.shots.wipes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import Glance
from app.video.shots.cut_detector import likeness
from app.video.shots.wipes import swept

STEP_SECONDS = 0.07
_LENGTHS_SECONDS = (0.45, 0.75, 1.1, 1.6)  # the usual transitions of editors; a shorter one reads as a cut
_LEAST_CHANGE, _SURE_CHANGE = 0.033, 0.055
"""Mean difference of the two pictures, 0..1 a channel: below the first the eye sees no other picture; from the second
on one that moves is none either. Between them, as between two takes in one room, all that changes must be mixed."""
_MOST_ALIKE = 0.75  # correlation of the two pictures' luma
_MOST_REST = 0.36
"""What of the change the mixture leaves unexplained, at most, halfway: things go on moving in both shots."""
_LEAST_MIXED = 3  # pictures that are truly mixed, between 15 and 85 %
_LARGEST_STEP = 0.45
_CELL_CHANGE, _CELL_APART = 0.04, 0.15
_LEAST_TOGETHER = 0.75
"""Of the cells that change at all, how many go with the whole: in dissolves between takes in one room 0.78 to 0.99,
where somebody moves in it 0.49 to 0.73."""
_FLAT = 0.012
"""Standard deviation of the luma, 0..1: what comes from or goes to an empty picture is a fade."""


@dataclass(frozen=True)
class Gradual:
    """A transition that takes its time; `rest` is what this reading of it leaves unexplained, 0 … 1."""

    start_seconds: float
    end_seconds: float
    rest: float
    type: Literal["dissolve", "wipe"]


class GradualDetector:
    """`push` glances in order; gives a transition when it is over and no better reading of it can come."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Glance]] = deque()
        self._open: Gradual | None = None

    def push(self, time_seconds: float, glance: Glance) -> Gradual | None:
        if self._samples and time_seconds - self._samples[-1][0] < STEP_SECONDS:
            return None
        self._samples.append((time_seconds, glance))
        while time_seconds - self._samples[0][0] > _LENGTHS_SECONDS[-1] + 4 * STEP_SECONDS:
            self._samples.popleft()
        found = min((d for d in map(self._read, _LENGTHS_SECONDS) if d), key=lambda d: d.rest, default=None)
        done = None
        if self._open is not None and self._is_past(self._open, found, time_seconds):
            done, self._open = self._open, None
        if found is not None and (self._open is None or found.rest < self._open.rest):
            self._open = found
        return done

    @staticmethod
    def _is_past(known: Gradual, found: Gradual | None, time_seconds: float) -> bool:
        apart = found is None or found.start_seconds > known.end_seconds
        return apart and time_seconds - known.end_seconds > _LENGTHS_SECONDS[0]

    def flush(self) -> Gradual | None:
        done, self._open = self._open, None
        return done

    def _read(self, length_seconds: float) -> Gradual | None:
        """The transition that ends now and is this long, if that is what the samples show."""
        end, last = self._samples[-1]
        place = next(n for n, sample in enumerate(self._samples) if sample[0] >= end - length_seconds - 1e-6)
        start, first = self._samples[place]
        apart = _apart(first, last)
        if apart < _LEAST_CHANGE or likeness(first, last) > _MOST_ALIKE or end - start < 0.8 * length_seconds:
            return None
        inside = list(islice(self._samples, place, None))
        if len(inside) < _LEAST_MIXED + 2 or _is_empty(first) or _is_empty(last):
            return None
        cells = np.concatenate([glance.cells for _, glance in inside]).reshape(len(inside), *first.cells.shape)
        rest = _unmixed(cells.reshape(len(cells), -1))
        if rest is not None and (apart >= _SURE_CHANGE or _together(cells)):
            return Gradual(start, end, rest, "dissolve")
        wipe = swept(cells)
        return None if wipe is None else Gradual(inside[wipe.first][0], inside[wipe.last][0], wipe.rest, "wipe")


def _apart(first: Glance, last: Glance) -> float:
    """Mean difference of two pictures, 0..1 a channel; a small one counts without what all cells have in common."""
    apart = cv2.norm(first.levels, last.levels, cv2.NORM_L1) / (255 * first.levels.size)
    if not _LEAST_CHANGE <= apart < _SURE_CHANGE:
        return apart
    change = last.cells - first.cells
    return min(apart, float(np.abs(change - change.mean(axis=1, keepdims=True)).mean()))


def _together(cells: NDArray[np.float32]) -> bool:
    """Whether the cells that change (n x 3 x cells) do so together: what moves changes one after another."""
    whole = cells[-1] - cells[0]
    size = (whole**2).sum(axis=0)
    changed = size > _CELL_CHANGE**2
    parts = ((cells - cells[0]) * whole).sum(axis=1)
    shares = parts.sum(axis=1) / size.sum()
    off = np.abs(parts[:, changed] / size[changed] - shares[:, None]).mean(axis=0)
    return off.size > 0 and float((off < _CELL_APART).mean()) >= _LEAST_TOGETHER


def _unmixed(cells: NDArray[np.float32]) -> float | None:
    """How badly mixtures of the first and last row explain the rows between (0 … 1), None where they do not."""
    whole = cells[-1] - cells[0]
    shares = (cells - cells[0]) @ whole / float(whole @ whole)
    steps = np.diff(shares)
    mixed = (shares > 0.15) & (shares < 0.85)
    if mixed.sum() < _LEAST_MIXED or steps.min() < -0.02 or steps.max() > _LARGEST_STEP:
        return None
    rests = np.linalg.norm(cells - cells[0] - shares[:, None] * whole, axis=1) / np.linalg.norm(whole)
    rest = float(rests[mixed].max())
    return rest if rest <= _MOST_REST else None


def _is_empty(glance: Glance) -> bool:
    return glance.is_black or glance.contrast < _FLAT
