"""Still pictures in a video that hardly moves, such as slides or the recording of a screen.

Slides share their ground and are covered by lines of text, so in a coarse grid the next slide is hardly rarer than the
slide before, and a slide that stays long becomes usual. A slide is an event because it was not there before and stays.
Other words in the same lines are seen in the details alone.
"""

import numpy as np

from framelens.video.keyframes.details import Details, Levels
from framelens.video.keyframes.sequence import Places, Values, Which

_SAME_LEVELS = 4.0
"""Levels up to which a cell shows the same in two candidates."""
_HARDLY_MOVES = 0.97
"""Median share of such cells between consecutive candidates from which on a video hardly moves: slides have 0.99,
footage of a fixed camera with short shots of people who do not move 0.94."""
_STILL = 0.9  # the same share for a single picture: a pop-up or a pointer may change the rest
_MOST_LEVELS = 8.0  # beyond, more contrast adds nothing


def new_stills(details: Details, times: Values, full_seconds: float) -> Values:
    """Return how much lasting content each candidate (column) shows that an earlier candidate (row) lacks (n x n).

    The first row is the whole amount, as a sum of levels. All is 0 in a video that moves.

    Args:
        details: Details of the candidates in time order.
        times: Their times in seconds.
        full_seconds: Time from which on content that stays counts in full.
    """
    num = len(times)
    if num < 2:
        return np.zeros((num, num))
    same = details.to_next() <= _SAME_LEVELS
    shares = same.mean(axis=1)
    if np.median(shares) < _HARDLY_MOVES:
        return np.zeros((num, num))
    starts, lasts = _runs(same)
    stays = np.clip((times[lasts] - times[starts]) / full_seconds, 0, 1)
    levels = np.clip(_arrivals(details, starts) - _SAME_LEVELS, 0, _MOST_LEVELS) * stays
    levels[np.maximum(np.append(0, shares), np.append(shares, 0)) < _STILL] = 0
    amounts = np.zeros((num, num))
    for index in range(num):
        # A candidate before the start of a cell's run doesn't show its content; the first candidate starts nothing.
        since = np.bincount(starts[index], weights=levels[index], minlength=num)
        amounts[:-1, index] = since[::-1].cumsum()[::-1][1:]
    return amounts


def _runs(same: Which) -> tuple[Places, Places]:
    """Return the first and the last candidate of the run in which each cell of each candidate stays the same."""
    places = np.arange(len(same) + 1)[:, None]
    border = np.ones((1, same.shape[1]), bool)
    starts = np.maximum.accumulate(np.where(np.vstack([border, ~same]), places, 0), axis=0)
    ends = np.where(np.vstack([~same, border]), places, len(same))
    return starts, np.minimum.accumulate(ends[::-1], axis=0)[::-1]


def _arrivals(details: Details, starts: Places) -> Levels:
    """Return how far each cell's content differs from the previous content; 0 where the content before that returns."""
    before = np.maximum(starts - 1, 0)
    earlier = np.take_along_axis(starts, before, axis=0)
    has_returned = (earlier > 0) & (details.between(starts, np.maximum(earlier - 1, 0)) <= _SAME_LEVELS)
    return np.where((starts > 0) & ~has_returned, details.between(starts, before), np.float32(0))
