"""From looks a few times a second to dissolves: stretches in which one picture turns into another one all at once.

Within a dissolve every picture is a mixture of the same two, with ever more of the second. What moves is no mixture,
and light that changes mixes a picture with itself: neither is a dissolve.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.video.looks import Look
from app.video.shots import is_light

STEP_SECONDS = 0.07
_LENGTHS_SECONDS = (0.45, 0.75, 1.1, 1.6)  # the usual transitions of editors; a shorter one reads as a cut
_LEAST_CHANGE = 0.055
"""Mean difference of the two pictures, 0..1 a channel; below, the eye sees no other picture."""
_MOST_ALIKE = 0.75  # correlation of the two pictures' luma
_MOST_REST = 0.36
"""What of the change the mixture leaves unexplained, at most, halfway: things go on moving in both shots."""
_LEAST_MIXED = 3  # pictures that are truly mixed, between 15 and 85 %
_LARGEST_STEP = 0.45
_FLAT = 0.012
"""Standard deviation of the luma, 0..1: what comes from or goes to an empty picture is a fade."""


@dataclass(frozen=True)
class Dissolve:
    start_seconds: float
    end_seconds: float
    rest: float


class DissolveDetector:
    """`push` looks in order; gives a dissolve when it is over and no better reading of it can come."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Look]] = deque()
        self._open: Dissolve | None = None

    def push(self, time_seconds: float, look: Look) -> Dissolve | None:
        if self._samples and time_seconds - self._samples[-1][0] < STEP_SECONDS:
            return None
        self._samples.append((time_seconds, look))
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
    def _is_past(known: Dissolve, found: Dissolve | None, time_seconds: float) -> bool:
        apart = found is None or found.start_seconds > known.end_seconds
        return apart and time_seconds - known.end_seconds > _LENGTHS_SECONDS[0]

    def flush(self) -> Dissolve | None:
        done, self._open = self._open, None
        return done

    def _read(self, length_seconds: float) -> Dissolve | None:
        """The dissolve that ends now and is this long, if that is what the samples show."""
        end = self._samples[-1][0]
        inside = [sample for sample in self._samples if sample[0] >= end - length_seconds - 1e-6]
        if len(inside) < _LEAST_MIXED + 2 or end - inside[0][0] < 0.8 * length_seconds:
            return None
        if any(_is_empty(look) for look in (inside[0][1], inside[-1][1])) or not _differ(inside[0][1], inside[-1][1]):
            return None
        rest = _unmixed(np.stack([look.cells.ravel() for _, look in inside]))
        return None if rest is None else Dissolve(inside[0][0], end, rest)


def _differ(first: Look, last: Look) -> bool:
    if float(np.abs(first.cells - last.cells).mean()) < _LEAST_CHANGE:
        return False
    if is_light(first, last):
        return False
    luma = np.corrcoef(first.cells[0], last.cells[0])[0, 1]
    return not luma > _MOST_ALIKE


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


def _is_empty(look: Look) -> bool:
    return look.is_black or look.contrast < _FLAT
