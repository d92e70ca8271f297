"""From times to the stretches of a video without a frame: how many frames they need, and which candidates are such.

Counted is with the candidates there are, not with the length alone: one that leaves the next where nobody is would
leave a stretch too long in the end.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Which = NDArray[np.bool_]
Places = NDArray[np.intp]

_SAME_SECONDS = 1e-6


class TemporalGaps:
    """The stretches between points in time, among candidates at `times`; none should be longer than `longest`.

    All in seconds, times and points rising. Nothing can be done about a stretch that ends by `fixed_until`.
    """

    def __init__(self, times: Times, longest: float, fixed_until: float) -> None:
        self._times = times
        self._longest = longest + _SAME_SECONDS
        self._fixed_until = fixed_until

    def needed(self, points: Times, usable: Which) -> tuple[int, Which]:
        """(how few of the usable candidates leave no stretch too long, as far as they can; which may be the next one
        of so few)."""
        fills = np.zeros(len(self._times), bool)
        places = np.flatnonzero(usable)
        total = 0
        for start, end in pairwise(points):
            if end - start <= self._longest or end <= self._fixed_until:
                continue
            first, last = np.searchsorted(self._times[places], (start + _SAME_SECONDS, end - _SAME_SECONDS))
            inside = places[first:last]
            steps, with_each = self._counts(self._times[inside], float(start), float(end))
            fills[inside] = with_each <= steps
            total += steps
        return total, fills

    def room(self, points: Times) -> Times:
        """For each candidate the seconds, never none, to the nearer end of the stretch around it."""
        gap = np.clip(np.searchsorted(points, self._times, side="right") - 1, 0, len(points) - 2)
        return np.asarray(np.maximum(np.minimum(self._times - points[gap], points[gap + 1] - self._times), 1e-6))

    def _counts(self, times: Times, start: float, end: float) -> tuple[int, Places]:
        """(how few of these times one stretch needs, how few where each of them is one)."""
        onward = self._onward(times, times)
        after = np.zeros(len(times) + 1, np.intp)
        for place in range(len(times) - 1, -1, -1):
            if end - times[place] > self._longest and onward[place] < len(times):
                after[place] = 1 + after[onward[place]]
        steps = self._steps(times, start, end)
        return len(steps), np.asarray(np.searchsorted(steps, times) + 1 + after[:-1])

    def _steps(self, times: Times, start: float, end: float) -> list[float]:
        """Those few: again and again the last one that is not too far on."""
        steps: list[float] = []
        while end - start > self._longest:
            place = int(self._onward(times, np.array([start]))[0])
            if place == len(times):
                break
            start = float(times[place])
            steps.append(start)
        return steps

    def _onward(self, times: Times, points: Times) -> Places:
        """From each point the place of the last time that is not too far on, else of the next, else their number."""
        last = np.searchsorted(times, points + self._longest, side="right") - 1
        return np.asarray(np.maximum(last, np.searchsorted(times, points, side="right")))
