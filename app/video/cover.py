"""From candidates and those already chosen to what each other one would add: news in its cells, and time covered.

A cell adds what it is worth as far as no chosen picture looks like it there. Which candidate is taken is not decided
here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.video.arrivals import Cells
from app.video.blocks import NUM_CELLS, blocks_of
from app.video.candidates import Candidate
from app.video.shots import is_light

_EVEN_FACTOR = 1.9
"""The longest stretch without a frame, in even distances: twice that is what a reader notices as a hole."""
_PLAIN_WORTH = 0.1
"""What a cell adds that is not news but looks different from all that was chosen."""
_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.5], np.float32)
_UNLIKE_LEVELS = 4.0
_SAME = 0.3
_AGAIN = 0.2
"""What comes again, looking like what was chosen, still happens again; it counts this much."""
_APART_SECONDS = 2.0
_FILLS = 1.3
_BLACK, _DIM = 0.002, 0.3
"""What a black picture is worth, and the brightness (0..1) from which on a picture is worth all that it shows."""
_RISING_SECONDS, _BRIGHTER = 1.0, 1.2
"""A picture that is this much brighter so soon is still rising: the later one is wanted."""


class Cover:
    """`worth` of every candidate, given those that were handed to `add`. `candidates` are in time order."""

    def __init__(
        self, candidates: Sequence[Candidate], worths: Sequence[Cells] | None, *, end_seconds: float, budget: int
    ) -> None:
        self._times = np.array([item.time_seconds for item in candidates])
        self._blocks = np.stack([blocks_of(item.look) for item in candidates])
        news = np.zeros((len(candidates), NUM_CELLS)) if worths is None else np.stack(worths)
        light = np.array([_light(place, candidates) for place in range(len(candidates))])
        self._shows = light > _BLACK
        self._worths = ((news + _PLAIN_WORTH) * light[:, None]).astype(np.float32)
        self._unseen = np.ones_like(self._worths)
        self._open = np.ones(len(candidates))
        self._apart = np.full(len(candidates), np.inf)
        self._points = [0.0, max(end_seconds, float(self._times[-1]))]
        self._longest = max(1e-6, _EVEN_FACTOR * self._points[-1] / budget)
        self._near = min(_APART_SECONDS, self._points[-1] / budget / 3) or 1e-6

    def add(self, place: int, *, alike: Sequence[int] = ()) -> None:
        """Takes the candidate at `place` as chosen; those at the places of `alike` would only repeat it."""
        self._open[[place, *alike]] = 0.0
        apart = np.tensordot(_WEIGHTS, np.abs(self._blocks - self._blocks[place]), axes=(0, 1)) / _UNLIKE_LEVELS
        self._unseen = np.minimum(self._unseen, np.clip(apart - _SAME, 0, 1))
        self._apart = np.minimum(self._apart, np.abs(self._times - self._times[place]))
        self._points = sorted([*self._points, float(self._times[place])])

    def worth(self, *, left: int) -> NDArray[np.float64]:
        """For each candidate what it adds, 0 for chosen ones. `left` frames may still be chosen."""
        again = np.where(self._apart > self._near, _AGAIN, 0.0)[:, None]
        added = (self._worths * np.maximum(self._unseen, again)).sum(axis=1, dtype=np.float64)
        added *= np.clip(self._apart / self._near, 0, 1) * self._open
        needed, fills = self._gaps()
        fills &= self._shows  # a black frame is no remedy for a gap
        added *= np.where(fills, _FILLS, 1.0)
        if needed < left:
            return np.asarray(added)
        if (fills & (added > 0)).any():
            return np.where(fills, added, 0.0)
        return np.asarray(added * np.where(self._shows, self._middle_first(), 1e-12) if needed else added)

    def _gaps(self) -> tuple[int, NDArray[np.bool_]]:
        """(how many more frames the gaps need, whether each candidate would be one of those)."""
        points = np.array(self._points)
        needed = self._needed(np.diff(points))
        gap = np.clip(np.searchsorted(points, self._times, side="right") - 1, 0, len(points) - 2)
        after = self._needed(self._times - points[gap]) + self._needed(points[gap + 1] - self._times)
        return int(needed.sum()), needed[gap] > after

    def _needed(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(np.ceil(lengths / self._longest - 1e-6) - 1, 0))

    def _middle_first(self) -> NDArray[np.float64]:
        """For a gap that no candidate fills as wanted: what is nearest to the middle of the longest one."""
        place = int(np.argmax(np.diff(self._points)))
        start, end = self._points[place : place + 2]
        inside = (self._times > start) & (self._times < end)
        return np.where(inside, 1 / (1 + 1e6 * np.abs(self._times - (start + end) / 2)), 1e-12)


def _light(place: int, candidates: Sequence[Candidate]) -> float:
    """What the picture is worth by its light: little where it soon shows the same much brighter."""
    item = candidates[place]
    if item.look.is_black:
        return _BLACK
    if item.look.brightness >= _DIM:
        return 1.0
    for later in candidates[place + 1 :]:
        if later.time_seconds > item.time_seconds + _RISING_SECONDS:
            break
        if later.look.brightness > _BRIGHTER * item.look.brightness and is_light(item.look, later.look):
            return _BLACK
    return max(_BLACK, item.look.brightness / _DIM)
