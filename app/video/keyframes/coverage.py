"""From candidates and those already chosen to what each other one would add: news in its cells, and time covered.

A cell adds what it is worth as far as no chosen picture shows it. Which candidate is taken is not decided here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Shot
from app.video.features.block_features import NUM_CELLS, blocks_of
from app.video.features.frame_signature import ALIKE, distances
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.coverage_state import Shown
from app.video.keyframes.novelty import Cells
from app.video.keyframes.recurrence import times_again
from app.video.keyframes.temporal_gaps import Gaps
from app.video.shots.cut_detector import is_light

EVEN_FACTOR = 1.9
"""The longest stretch without a frame, in even distances: twice that is what a reader notices as a hole."""
_PLAIN_WORTH = 0.1
"""What a cell adds that is not news but looks different from all that was chosen."""
PLAIN_PICTURE = _PLAIN_WORTH * NUM_CELLS
"""What a whole picture adds that is no news."""
_APART_SECONDS = 10.0
"""Nearer than a third of an even distance, and than this, to a chosen one of its shot a frame tells less of its own."""
_FILLS = 1.3
_A_FEW_TIMES = 4
"""So often the same may come again and be news each time, as a picture that is cut in does; beyond it is habit."""
_BLACK, _DIM = 0.002, 0.15
"""What a black picture is worth, and the brightness (0..1) from which on a picture is worth all that it shows: a scene
at night is a scene."""
_MAY_RISE = 0.3
_RISING_SECONDS, _BRIGHTER = 1.0, 1.2
"""A picture below this light that is this much brighter so soon is still rising: the later one is wanted."""

Gains = NDArray[np.float64]
Which = NDArray[np.bool_]


class Cover:
    """What every candidate would add to the `chosen` ones (places in `candidates`, which are in time order).

    Each question can be asked as if one of the chosen, the one at place `but` of `chosen`, were not. `shots` are the
    numbers of the candidates' shots. The first `num_fixed` candidates are chosen from the start, and nothing between
    them can be.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        worths: Sequence[Cells] | None,
        shots: Sequence[Shot],
        budget: int,
        num_fixed: int = 0,
    ) -> None:
        self.chosen: list[int] = []
        self.shots = np.array([shot_of(item.time_seconds, shots) for item in candidates])
        self._times = np.array([item.time_seconds for item in candidates])
        self._cells = np.stack([item.look.cells for item in candidates])
        light = np.array([_light(place, candidates) for place in range(len(candidates))])
        self._shows = light > _BLACK
        blocks = np.stack([blocks_of(item.look) for item in candidates])
        news = np.zeros((1, NUM_CELLS), np.float32)
        if worths is not None:
            news = _news(candidates, worths, shots)
            news /= 1 + np.maximum(0, times_again(candidates, news, blocks) - _A_FEW_TIMES)[:, None]
        shown = ((news + _PLAIN_WORTH) * light[:, None]).astype(np.float32)
        self._shown = Shown(blocks, shown)
        self._end = max(shots[-1].end_seconds, float(self._times[-1]))
        self._near = min(_APART_SECONDS, self._end / budget / 3) or 1e-6
        self._alike: list[Which] = []
        fixed_until = float(self._times[num_fixed - 1]) if num_fixed else float("-inf")
        self._gaps = Gaps(self._times, EVEN_FACTOR * self._end / budget, fixed_until)
        for place in range(num_fixed):
            self.add(place)

    def add(self, place: int) -> None:
        """Takes the candidate at `place` as chosen."""
        self.chosen.append(place)
        self._shown.add(place)
        self._alike.append(distances(self._cells, self._cells[place]) <= ALIKE)

    def exchange(self, but: int, place: int) -> None:
        """Takes the candidate at `place` in place of the chosen one at `but`."""
        self.chosen[but] = place
        self._shown.exchange(but, place)
        self._alike[but] = distances(self._cells, self._cells[place]) <= ALIKE

    def gains(self, but: int | None = None) -> Gains:
        """What each candidate would add; 0 for the chosen ones and for those that look like a chosen neighbour."""
        apart = self._apart(but)
        return np.asarray(self._shown.unseen(but) * np.clip(apart / self._near, 0, 1) * ~self._repeats(but))

    def _apart(self, but: int | None) -> NDArray[np.float64]:
        """The seconds from each candidate to the nearest chosen one of its shot; beyond a cut nothing goes on."""
        chosen = [place for number, place in enumerate(self.chosen) if number != but]
        seconds = np.abs(self._times[:, None] - self._times[chosen])
        same = self.shots[:, None] == self.shots[chosen]
        return np.asarray(np.where(same, seconds, np.inf).min(axis=1, initial=np.inf))

    def gaps(self, but: int | None = None) -> tuple[int, Which]:
        """(how many more frames the stretches without one need, whether each candidate would be one of those).

        A black picture is no remedy, nor is one since or until which nothing has changed. What looks like a chosen one
        again, after other pictures, is: better than none of so long a time.
        """
        return self._gaps.needed(self._points(but), self._shows & ~self._still(but))

    def room(self) -> Gains:
        """For each candidate the seconds, never none, to the nearer end of the stretch without a frame around it."""
        return self._gaps.room(self._points(None))

    def _points(self, but: int | None) -> NDArray[np.float64]:
        times = [float(self._times[place]) for number, place in enumerate(self.chosen) if number != but]
        return np.array(sorted([0.0, *times, self._end]))

    def _repeats(self, but: int | None) -> Which:
        """Whether each candidate looks like the chosen one before or after it in time, or is that one."""
        return self._beside(but, lambda alike: alike)

    def _still(self, but: int | None) -> Which:
        """Whether each one and all between it and the chosen one before, or after, look like that."""
        return self._beside(but, np.logical_and.accumulate)

    def _beside(self, but: int | None, told: Callable[[Which], Which]) -> Which:
        """For each candidate what is `told` of those from the chosen one before or after it on: which look like it."""
        numbers = sorted((n for n in range(len(self.chosen)) if n != but), key=lambda n: self.chosen[n])
        edges = [0, *(self.chosen[n] for n in numbers), len(self._times)]
        found = np.zeros(len(self._times), bool)
        for number, before, place, after in zip(numbers, edges, edges[1:], edges[2:], strict=False):
            alike = self._alike[number]
            found[place:after] |= told(alike[place:after])
            found[before : place + 1] |= told(alike[before : place + 1][::-1])[::-1]
        return found


def shot_of(seconds: float, shots: Sequence[Shot]) -> int:
    """The number of the shot that shows at a time."""
    return max(1, bisect_right(shots, seconds, key=lambda shot: shot.start_seconds))


def _news(candidates: Sequence[Candidate], worths: Sequence[Cells], shots: Sequence[Shot]) -> Cells:
    """The worths. The first picture of all follows none that it could differ from: it is no more news than the openings
    of the other shots are in the median, and none where there is no other shot."""
    news = np.stack(worths)
    first = [item.opens == 0 for item in candidates]
    later = [len(shots) > 1 and bool(item.opens) for item in candidates]
    usual = float(np.median(news[later].sum(axis=1))) if any(later) else 0.0
    whole = news[first].sum(axis=1, keepdims=True)
    news[first] *= np.minimum(1, usual / np.maximum(whole, 1e-9))
    return news


def _light(place: int, candidates: Sequence[Candidate]) -> float:
    """What the picture is worth by its light: little where it soon shows the same much brighter."""
    item = candidates[place]
    if item.look.is_black:
        return _BLACK
    if item.look.brightness >= _MAY_RISE:
        return 1.0
    for later in candidates[place + 1 :]:
        if later.time_seconds > item.time_seconds + _RISING_SECONDS:
            break
        if later.look.brightness > _BRIGHTER * item.look.brightness and is_light(item.look, later.look):
            return _BLACK
    return min(1.0, max(_BLACK, item.look.brightness / _DIM))
