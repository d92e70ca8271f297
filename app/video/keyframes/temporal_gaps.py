"""Gaps of a video without a frame: how many frames they need, and which candidates fill them.

The count uses the available candidates, not the length alone: a frame after which the next candidate is too far away
would leave a gap that is too long.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Which = NDArray[np.bool_]
Places = NDArray[np.intp]

_SAME_SECONDS = 1e-6  # tolerance for rounding


class TemporalGaps:
    """Gaps between points in time, among candidates at `times`; none should be longer than `longest`.

    All values are in seconds; times and points are rising. Gaps that end by `fixed_until` can't be filled.
    """

    def __init__(self, times: Times, longest: float, fixed_until: float) -> None:
        self._times = times
        self._longest = longest + _SAME_SECONDS
        self._fixed_until = fixed_until

    def needed(self, points: Times, usable: Which) -> tuple[int, Which]:
        """Count the frames that the gaps between `points` need, and mark the candidates to begin with.

        Args:
            points: Times that have a frame, with the start and the end of the video.
            usable: Mask of the candidates that may fill a gap.

        Returns:
            The least number of usable candidates that leave no gap too long, as far as they can, and a mask of those
            that may be the next one in such a set.
        """
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
        """Return for each candidate the seconds, at least 1e-6, to the nearer end of the gap around it."""
        gap = np.clip(np.searchsorted(points, self._times, side="right") - 1, 0, len(points) - 2)
        return np.asarray(np.maximum(np.minimum(self._times - points[gap], points[gap + 1] - self._times), 1e-6))

    def _counts(self, times: Times, start: float, end: float) -> tuple[int, Places]:
        """Return the least number of these times that one gap needs, and that number if each of them is used."""
        onward = self._next_within_reach(times, times)
        after = np.zeros(len(times) + 1, np.intp)
        for place in range(len(times) - 1, -1, -1):
            if end - times[place] > self._longest and onward[place] < len(times):
                after[place] = 1 + after[onward[place]]
        steps = self._steps(times, start, end)
        return len(steps), np.asarray(np.searchsorted(steps, times) + 1 + after[:-1])

    def _steps(self, times: Times, start: float, end: float) -> list[float]:
        """Return the fewest times that fill a gap, each the last one within reach of the one before."""
        steps: list[float] = []
        while end - start > self._longest:
            place = int(self._next_within_reach(times, np.array([start]))[0])
            if place == len(times):
                break
            start = float(times[place])
            steps.append(start)
        return steps

    def _next_within_reach(self, times: Times, points: Times) -> Places:
        """Return for each point the index of the last time within reach, else of the next, else their number."""
        last = np.searchsorted(times, points + self._longest, side="right") - 1
        return np.asarray(np.maximum(last, np.searchsorted(times, points, side="right")))
