"""Best sequence of frames: the one that adds most and leaves no long gap, found exactly by dynamic programming.

The gain of a frame depends only on the frame chosen before it, so the best sequence of k frames that ends with a frame
extends a best sequence of k - 1 frames: O(budget * n²) for n candidates. `coverage` decides what frames add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_GAP_COST = 1e3
"""Cost of one missing frame in a gap: more than everything that hundreds of frames can add, each at most about 1.2."""
_LEAST_GAIN = 1e-9  # tolerance for rounding


@dataclass(frozen=True, eq=False)
class Links:
    """Gains of n candidates alone and after one another.

    Attributes:
        first: Gain of each candidate as the first frame (n); -inf where it must not be the first.
        after: Gain of the candidate of a column after that of a row (n x n); -inf where it must not follow.
        last: Gain of each candidate as the last frame, besides that above (n).
        missing_before: Frames that the gap before each candidate needs (n).
        missing_between: Frames that the gap between two candidates needs (n x n).
        missing_after: Frames that the gap after each candidate needs (n).
    """

    first: Values
    after: Values
    last: Values
    missing_before: Values
    missing_between: Values
    missing_after: Values


def best_sequence(links: Links, budget: int) -> list[int]:
    """Return the rising indices of at most `budget` candidates with the largest sum of gains less the cost of gaps.

    There are fewer where another one adds nothing.
    """
    num = len(links.first)
    follows = np.tri(num, k=-1, dtype=bool).T
    after = np.where(follows, links.after - _GAP_COST * links.missing_between, -np.inf)
    ends = _GAP_COST * links.missing_after - links.last
    best = links.first - _GAP_COST * links.missing_before
    predecessors: list[NDArray[np.intp]] = []
    value, length, place = float((best - ends).max()), 1, int((best - ends).argmax())
    for step in range(2, min(budget, num) + 1):
        sums = best[:, None] + after
        predecessors.append(sums.argmax(axis=0))
        best = sums[predecessors[-1], np.arange(num)]
        if (best - ends).max() > value + _LEAST_GAIN:
            value, length, place = float((best - ends).max()), step, int((best - ends).argmax())
    sequence = [place]
    for previous in reversed(predecessors[: length - 1]):
        sequence.append(int(previous[sequence[-1]]))
    return sequence[::-1]
