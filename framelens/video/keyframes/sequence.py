"""Best sequence of frames, which adds most and leaves no long gap, found exactly by dynamic programming.

The gain of a frame depends only on the frame chosen before it, so the best sequence of k frames that ends with a frame
extends a best sequence of k - 1 frames: O(budget * n²) for n candidates. `selector` decides what frames add.

The number of frames that the gaps of a video need is counted with the available candidates, not from the length alone:
a frame after which the next candidate is too far away would leave a gap that is too long.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Colours = NDArray[np.float32]
_GAP_COST = 1e3
"""Cost of one missing frame in a gap: more than everything that hundreds of frames can add, each at most about 1.2."""
_SAME_PLACE, _OTHER_PLACE = 0.015, 0.02
"""Largest difference of colours of two pictures of the same place, and the least of two places. Of pictures of a real
clip at least a second apart, 86 % are below the first and 4 to 11 % above the second, though things move. Of pairs of
clips, 1 in 60 is below the first, but for the same people or the same wall."""
_NEVER = -1e9  # gain of a frame that must not follow, in sums from which it is subtracted again
_LEAST_GAIN = 1e-9  # tolerance for rounding
Places = NDArray[np.intp]
Which = NDArray[np.bool_]
_SAME_SECONDS = 1e-6  # tolerance for rounding


@dataclass(frozen=True, eq=False)
class Links:
    """Gains of n candidates alone and after each other.

    Attributes:
        first: Gain of each candidate as the first frame (n); -inf where it must not be the first.
        after: Gain of each candidate (column) after each earlier candidate (row) (n x n); -inf where it must not
            follow.
        last: Gain of each candidate as the last frame, in addition to `first` or `after` (n).
        missing_before: Frames that the gap before each candidate needs (n).
        missing_between: Frames that the gap between two candidates needs (n x n).
        missing_after: Frames that the gap after each candidate needs (n).
        colours: Colours of each candidate, 0..1 (n x levels), where a frame of another place is preferred to a second
            frame of a place; None elsewhere.
        shows: Which candidates show their place well enough (n).
    """

    first: Values
    after: Values
    last: Values
    missing_before: Values
    missing_between: Values
    missing_after: Values
    colours: Colours | None = None
    shows: Which | None = None


def best_sequence(links: Links, budget: int) -> list[int]:
    """Return the rising indices of at most `budget` candidates with the largest sum of gains less the cost of gaps.

    There are fewer where another candidate adds nothing.
    """
    num = len(links.first)
    follows = np.tri(num, k=-1, dtype=bool).T
    after = np.where(follows, links.after - _GAP_COST * links.missing_between, -np.inf)
    ends = _GAP_COST * links.missing_after - links.last
    best = links.first - _GAP_COST * links.missing_before
    predecessors: list[NDArray[np.intp]] = []
    value, length, end = float((best - ends).max()), 1, int((best - ends).argmax())
    for step in range(2, min(budget, num) + 1):
        sums = best[:, None] + after
        predecessors.append(sums.argmax(axis=0))
        best = sums[predecessors[-1], np.arange(num)]
        if (best - ends).max() > value + _LEAST_GAIN:
            value, length, end = float((best - ends).max()), step, int((best - ends).argmax())
    sequence = [end]
    for previous in reversed(predecessors[: length - 1]):
        sequence.append(int(previous[sequence[-1]]))
    return sequence[::-1]


def with_unseen_places(links: Links, sequence: list[int], num_fixed: int = 0) -> list[int]:
    """Return a sequence in which frames of unseen places replace second frames of shown places.

    What a frame adds depends on the frame before it alone, so the best sequence may return to what it showed long ago
    while another place has no frame. Places are known by their colours. Each exchange is the least costly that needs no
    more frames in gaps.

    Args:
        links: Gains of the candidates.
        sequence: Rising indices of the best sequence.
        num_fixed: Number of first frames of the sequence that stay.
    """
    if links.colours is None or links.shows is None:
        return sequence
    colours, shows, num, chosen = links.colours, links.shows, len(links.first), list(sequence)
    gains = np.full((num + 2, num + 2), -np.inf)  # places `num` and `num + 1`: the end and the start
    gains[:num, :num] = links.after - _GAP_COST * links.missing_between
    gains[num + 1, :num] = links.first - _GAP_COST * links.missing_before
    gains[:num, num] = links.last - _GAP_COST * links.missing_after
    gains = np.maximum(gains, _NEVER)

    @cache
    def differences_to(index: int) -> Colours:
        return np.asarray(np.abs(colours - colours[index]).mean(axis=1))

    while True:
        differences = np.stack([differences_to(index) for index in chosen])
        unseen = np.flatnonzero(shows & (differences.min(axis=0) > _OTHER_PLACE))
        if not unseen.size:
            break
        most, exchanged = -_GAP_COST / 2, chosen
        for index in range(num_fixed, len(chosen)):
            rest = chosen[:index] + chosen[index + 1 :]
            if not rest or differences[index, rest].min() > _SAME_PLACE:
                continue
            around = np.array([num + 1, *rest, num])
            spots = np.searchsorted(rest, unseen)
            before, behind = around[spots], around[spots + 1]
            added = gains[before, unseen] + gains[unseen, behind] - gains[before, behind]
            before, behind = around[index], around[index + 1]
            lost = gains[before, chosen[index]] + gains[chosen[index], behind] - gains[before, behind]
            net = np.where(spots >= num_fixed, added - lost, _NEVER)
            if net.max() > most:
                most, exchanged = float(net.max()), sorted([*rest, int(unseen[net.argmax()])])
        if exchanged is chosen:
            break
        chosen = exchanged
    return chosen


class TemporalGaps:
    """Frames missing in the gaps before, between and after candidates, where other candidates can fill them.

    Args:
        times: Times of the candidates in seconds, rising.
        end: End of the video.
        longest: Longest gap, in seconds.
        still: Starts and ends of the half-open run of candidates around each candidate that all look like it: a
            candidate doesn't fill a gap next to another candidate of its run.
        usable: Mask of the candidates that may fill a gap.
    """

    def __init__(self, times: Values, end: float, longest: float, still: tuple[Places, Places], usable: Which) -> None:
        self._times = times
        self._end = end
        self._longest = longest + _SAME_SECONDS
        self._still_from, still_to = still
        num = len(times)
        self._last_usable = np.maximum.accumulate(np.where(usable, np.arange(num), -1))
        following = np.minimum.accumulate(np.where(usable, np.arange(num), num)[::-1])[::-1]
        self._next_usable = np.append(following, num)
        reach = np.searchsorted(times, times + self._longest, side="right") - 1
        places = np.arange(num)
        self._step = self._usable(np.maximum(np.maximum(reach, still_to), places + 1), places)

    def before(self) -> Values:
        """Return for each candidate how many frames are missing before it if it comes first."""
        reach = int(np.searchsorted(self._times, self._longest, side="right")) - 1
        step = int(self._usable(np.array([max(reach, 0)]), np.array([-1]))[0])
        missing = np.zeros(len(self._times))
        late = (self._times > self._longest) & (np.arange(len(missing)) > step)
        if late.any():
            missing[late] = 1 + self.between()[step, late]
        return missing

    def between(self) -> Values:
        """Return how many frames are missing between each candidate (row) and each later candidate (column)."""
        num = len(self._times)
        missing = np.zeros((num, num))
        places = np.arange(num)
        for index in range(num - 1, -1, -1):
            step = self._step[index]
            if step < num:
                is_far = self._times - self._times[index] > self._longest
                fills = is_far & (step < self._still_from) & (places > step)
                missing[index] = np.where(fills, 1 + missing[step], 0)
        return missing

    def after(self) -> Values:
        """Return for each candidate how many frames are missing after it if it comes last."""
        num = len(self._times)
        missing = np.zeros(num)
        for index in range(num - 1, -1, -1):
            step = self._step[index]
            if step < num and self._end - self._times[index] > self._longest:
                missing[index] = 1 + missing[step]
        return missing

    def _usable(self, targets: Places, after: Places) -> Places:
        """Return the last usable place up to each of `targets` that is beyond `after`, else the next usable place."""
        num = len(self._times)
        usable = self._last_usable[np.minimum(targets, num - 1)]
        return np.asarray(
            np.where((targets < num) & (usable > after), usable, self._next_usable[np.minimum(targets, num)])
        )
