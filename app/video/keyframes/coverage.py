"""Coverage: how much each candidate adds to the frames that were chosen already, in new content and in time.

A cell adds its value as far as no chosen picture shows it. Which candidate is chosen is decided in `selector`.

Cells are coarse: two captions in one place look alike in many cells and say different things. So a cell counts as shown
only while its content stays the same, and recurring content is recognised by the whole picture.

A hand that sweeps before the lens every ten seconds is rare in every cell and still no news the twentieth time. What
was there once, or says something else each time, as captions in one place do, is news each time. So pictures are
compared in their details, where the news is, and weighed by how busy it is there: two boxes look alike, two texts in
them do not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Shot
from app.video.features.frame_signature import ALIKE, NUM_CELLS, Blocks, blocks_of, distances
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import WEIGHTS, Cells
from app.video.keyframes.temporal_gaps import TemporalGaps
from app.video.readers.base import CELL_SIZE, LUMA_SIZE, Image
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
_UNLIKE_LEVELS = 4.0
_SAME = 0.3
_UNSEEN = 255  # for unseen shares kept as bytes
_STILL = 0.5
"""As long as a cell is no more unlike than this, it goes on."""
_SAME_AGAIN = 0.05
"""Where no more than a twentieth of what a candidate tells looks otherwise, it is the same again: noise is less."""
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.float64]
_MOST_CELLS = 32  # of a candidate, those that tell most: a caption has about as many
_LEAST_NEWS = 5.0  # what tells less in sum is noise
_LUMA_LEVELS = 4.0  # of 256, in the mean of a cell's pixels; a level of colour counts as much
_NOISE, _OTHER = 1.5, 3.5
"""A cell that is no further from another one than the first shows the same; beyond the second something else."""
_AGAIN, _GONE = 0.9, 0.7
"""The share of what a candidate tells that is there again, and below which it has gone meanwhile."""


class Coverage:
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
        self._shown = CoverageState(blocks, shown)
        self._end = max(shots[-1].end_seconds, float(self._times[-1]))
        self._near = min(_APART_SECONDS, self._end / budget / 3) or 1e-6
        self._alike: list[Which] = []
        fixed_until = float(self._times[num_fixed - 1]) if num_fixed else float("-inf")
        self._gaps = TemporalGaps(self._times, EVEN_FACTOR * self._end / budget, fixed_until)
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


class CoverageState:
    """Of candidates in time order with these `blocks`, whose cells are worth `worths`, those shown so far.

    Each question can be asked as if one of them, the one numbered `but`, were not.
    """

    def __init__(self, blocks: Blocks, worths: Cells) -> None:
        self._blocks = blocks
        self._worths = worths
        self._layers: list[Bytes] = []
        self._same: list[NDArray[np.bool_]] = []
        self._forget()

    def add(self, place: int) -> None:
        layer, same = self._compare(place)
        self._layers.append(layer)
        self._same.append(same)
        self._note(len(self._layers) - 1)

    def exchange(self, but: int, place: int) -> None:
        """Shows the candidate at `place` in place of the one numbered `but`."""
        self._layers[but], self._same[but] = self._compare(place)
        self._forget()
        for number in range(len(self._layers)):
            self._note(number)

    def unseen(self, but: int | None = None) -> Numbers:
        """What each candidate is worth by the cells that none shows yet; the same again counts by how often it was
        shown: the second time half, the third a third."""
        least = self._least if but is None else np.where(self._owner == but, self._second, self._least)
        added = np.einsum("kc,kc->k", self._worths, least.astype(np.float32)).astype(np.float64) / _UNSEEN
        again = sum((same for number, same in enumerate(self._same) if number != but), np.zeros(len(added), np.intp))
        return np.asarray(added / (1 + again))

    def _compare(self, place: int) -> tuple[Bytes, NDArray[np.bool_]]:
        """(for each candidate and cell, how little of it the one at `place` shows, 0 … 255; which are the same)."""
        apart = np.tensordot(WEIGHTS, np.abs(self._blocks - self._blocks[place]), axes=(0, 1)) / _UNLIKE_LEVELS
        unlike = np.asarray(_UNSEEN * np.clip(apart - _SAME, 0, 1), np.uint8)
        other = np.einsum("kc,kc->k", self._worths, unlike.astype(np.float32)) / _UNSEEN
        alike = unlike <= _STILL * _UNSEEN
        still = np.empty_like(alike)
        still[place:] = np.logical_and.accumulate(alike[place:])
        still[: place + 1] = np.logical_and.accumulate(alike[: place + 1][::-1])[::-1]
        return np.where(still, unlike, np.uint8(_UNSEEN)), other < _SAME_AGAIN * self._worths.sum(axis=1)

    def _forget(self) -> None:
        shape = self._worths.shape
        self._least = np.full(shape, _UNSEEN, np.uint8)
        self._second = np.full(shape, _UNSEEN, np.uint8)
        self._owner = np.full(shape, -1, np.int16)

    def _note(self, number: int) -> None:
        """Keeps, for each candidate and cell, the shown picture most like it, how unlike it is, and the next one."""
        layer = self._layers[number]
        is_least = layer < self._least
        self._second = np.where(is_least, self._least, np.minimum(self._second, layer))
        self._owner = np.where(is_least, np.int16(number), self._owner)
        self._least = np.where(is_least, layer, self._least)


def times_again(candidates: Sequence[Candidate], worths: Cells, blocks: Blocks) -> NDArray[np.float64]:
    """How often each candidate's news comes again before or after it, with something else between.

    `worths` tells what each cell of each candidate is worth (n x cells), `blocks` are those of their looks (n x 4 x
    cells); both in time order, as the candidates.
    """
    pixels = np.stack([_by_cell(item) for item in candidates])
    mean = np.full(pixels.shape[2], 1 / (_LUMA_LEVELS * pixels.shape[2]), np.float32)
    colours = blocks[:, 1:3]
    found = np.zeros(len(candidates))
    for place in np.flatnonzero(worths.sum(axis=1) >= _LEAST_NEWS):
        weights = worths[place] * blocks[place, 3]
        cells = np.argpartition(weights, -_MOST_CELLS)[-_MOST_CELLS:]
        whole = float(weights[cells].sum())
        if whole:
            near = pixels[:, cells]
            luma = np.where(near > near[place], near - near[place], near[place] - near) @ mean
            colour = np.abs(colours[:, :, cells] - colours[place][:, cells]).sum(axis=1)
            other = np.clip((luma + colour - _NOISE) / (_OTHER - _NOISE), 0, 1)
            found[place] = _visits(1 - other @ (weights[cells] / whole)) - 1
    return found


def _by_cell(item: Candidate) -> Image:
    """The pixels of the luma, cell by cell: every other one, as on a chessboard."""
    (width, height), (across, down) = LUMA_SIZE, CELL_SIZE
    parts = item.look.luma.reshape(down, height // down, across, width // across).transpose(0, 2, 1, 3)
    return np.asarray(parts.reshape(across * down, -1)[:, ::2], np.uint8)


def _visits(shares: NDArray[np.float32]) -> int:
    """How often a share comes that is again as large, each time after it had gone; the candidate's own is 1."""
    told = shares[(shares > _AGAIN) | (shares < _GONE)] > _AGAIN
    return int(told[0]) + int((told[1:] & ~told[:-1]).sum())
