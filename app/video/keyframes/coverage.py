"""Coverage: how much each candidate adds to the chosen frames, in new content and in time.

A cell adds its value as far as no chosen picture shows it. `selector` decides which candidate is chosen.

Cells are coarse: two captions in one place look alike in many cells and say different things. So a cell counts as shown
only while its content stays the same, and recurring content is recognised by the whole picture.

Recurrence is measured too: a hand that sweeps before the lens every ten seconds is rare in every cell, yet not new the
twentieth time. Content that was there once, or that differs each time, as captions in one place do, is new each time.
So pictures are compared in their details, in the cells with new content, weighted by how busy the cells are: two boxes
look alike, two texts in them don't.

Constants whose comment names no measurement were chosen by hand while some forty variants of the choice were compared
on the benchmark videos (docs/keyframes.md, Events); none was tuned by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.core import Shot
from app.video.features.frame_signature import ALIKE, NUM_CELLS, Blocks, blocks_of, distances
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import WEIGHTS, Cells
from app.video.keyframes.temporal_gaps import TemporalGaps
from app.video.readers.base import CELL_SIZE, LUMA_SIZE, Image
from app.video.shots.cut_detector import is_light

EVEN_FACTOR = 1.9
"""Longest gap without a frame, in even distances: a reader notices two of them as a hole."""
_PLAIN_WORTH = 0.1
"""Value of a cell without new content that looks different from all chosen pictures."""
PLAIN_PICTURE = _PLAIN_WORTH * NUM_CELLS
"""Value of a whole picture without new content."""
_APART_SECONDS = 10.0
"""A frame adds less when it is nearer to a chosen one of its shot than this and than a third of an even distance."""
_FREE_RETURNS = 4
"""Number of returns that count as new each time, as inserts do; content that returns more often counts less. Chosen on
three insert videos of the unseen half, where counting every return less lost inserts (docs/keyframes.md, Footage that
was kept unseen)."""
_BLACK, _DIM = 0.002, 0.15
"""Value of a black picture, and the brightness (0..1) from which a picture has its full value: night scenes count."""
_MAY_RISE = 0.3
_RISING_SECONDS, _BRIGHTER = 1.0, 1.2
"""A picture below _MAY_RISE that becomes this much brighter in this time is still fading in: the later one is better.
"""
Gains = NDArray[np.float64]
Which = NDArray[np.bool_]
_UNLIKE_LEVELS = 4.0  # levels by which a cell must differ to be wholly unlike
_SAME = 0.3  # share of that below which it is the same
_UNSEEN = 255  # scale of unseen shares, kept as bytes
_STILL = 0.5
"""Most unlikeness of a cell whose content continues."""
_SAME_AGAIN = 0.05
"""Share of a candidate's value that may look different while the picture counts as the same again; noise stays below.
Compared on the benchmark sets together (docs/keyframes.md, Other footage)."""
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.float64]
_MOST_CELLS = 32  # of a candidate, those with the highest value: a caption has about as many
_MIN_NOVELTY = 5.0  # a smaller sum is noise
_LUMA_LEVELS = 4.0  # of 256, mean over a cell's pixels; a level of colour counts as much
_NOISE, _OTHER = 1.5, 3.5
"""Two cells whose difference is below the first show the same; beyond the second they show something else."""
_AGAIN, _GONE = 0.9, 0.7
"""Share of a candidate's content above which it has returned, and below which it had disappeared."""


class Coverage:
    """Gain of every candidate over the `chosen` ones (indices into `candidates`, which are in time order).

    Methods with a parameter `but` answer as if the chosen frame at index `but` of `chosen` were not chosen. `shots`
    holds the numbers of the candidates' shots. The first `num_fixed` candidates are chosen from the start, and nothing
    between them can be.
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
            news = _novelty_of(candidates, worths, shots)
            news /= 1 + np.maximum(0, times_again(candidates, news, blocks) - _FREE_RETURNS)[:, None]
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
        """Choose the candidate at `place`."""
        self.chosen.append(place)
        self._shown.add(place)
        self._alike.append(distances(self._cells, self._cells[place]) <= ALIKE)

    def exchange(self, but: int, place: int) -> None:
        """Choose the candidate at `place` instead of the chosen one at index `but`."""
        self.chosen[but] = place
        self._shown.exchange(but, place)
        self._alike[but] = distances(self._cells, self._cells[place]) <= ALIKE

    def gains(self, but: int | None = None) -> Gains:
        """Return the gain of each candidate; 0 for chosen ones and for those that look like a chosen neighbour."""
        apart = self._apart(but)
        return np.asarray(self._shown.unseen(but) * np.clip(apart / self._near, 0, 1) * ~self._repeats(but))

    def _apart(self, but: int | None) -> NDArray[np.float64]:
        """Return the seconds from each candidate to the nearest chosen one of its shot, infinite without one."""
        chosen = [place for number, place in enumerate(self.chosen) if number != but]
        seconds = np.abs(self._times[:, None] - self._times[chosen])
        same = self.shots[:, None] == self.shots[chosen]
        return np.asarray(np.where(same, seconds, np.inf).min(axis=1, initial=np.inf))

    def gaps(self, but: int | None = None) -> tuple[int, Which]:
        """Return the number of frames that the gaps still need, and a mask of the candidates that fill one.

        A black picture fills none, nor does one between which and a chosen one nothing changes. A picture that looks
        like a chosen one again after others does: that is better than no frame for so long.
        """
        return self._gaps.needed(self._points(but), self._shows & ~self._still(but))

    def room(self) -> Gains:
        """Return for each candidate the seconds, at least 1e-6, to the nearer end of the gap around it."""
        return self._gaps.room(self._points(None))

    def _points(self, but: int | None) -> NDArray[np.float64]:
        times = [float(self._times[place]) for number, place in enumerate(self.chosen) if number != but]
        return np.array(sorted([0.0, *times, self._end]))

    def _repeats(self, but: int | None) -> Which:
        """Return whether each candidate looks like the chosen one before or after it in time, or is that one."""
        return self._from_chosen(but, lambda alike: alike)

    def _still(self, but: int | None) -> Which:
        """Return whether each one, and all from it to the chosen one before or after it, look like that one."""
        return self._from_chosen(but, np.logical_and.accumulate)

    def _from_chosen(self, but: int | None, judge: Callable[[Which], Which]) -> Which:
        """Apply `judge` to the likeness of the candidates to the chosen one before and after them.

        `judge` gets the mask of those that look like the chosen one, counted from it on.
        """
        numbers = sorted((n for n in range(len(self.chosen)) if n != but), key=lambda n: self.chosen[n])
        edges = [0, *(self.chosen[n] for n in numbers), len(self._times)]
        found = np.zeros(len(self._times), bool)
        for number, before, place, after in zip(numbers, edges, edges[1:], edges[2:], strict=False):
            alike = self._alike[number]
            found[place:after] |= judge(alike[place:after])
            found[before : place + 1] |= judge(alike[before : place + 1][::-1])[::-1]
        return found


def shot_of(seconds: float, shots: Sequence[Shot]) -> int:
    """Return the number of the shot at a time."""
    return max(1, bisect_right(shots, seconds, key=lambda shot: shot.start_seconds))


def _novelty_of(candidates: Sequence[Candidate], worths: Sequence[Cells], shots: Sequence[Shot]) -> Cells:
    """Return the worths with those of the video's first picture limited.

    It has no predecessor to differ from, so its sum is at most the median of the openings of the other shots, and zero
    in a single shot.
    """
    news = np.stack(worths)
    first = [item.opens == 0 for item in candidates]
    later = [len(shots) > 1 and bool(item.opens) for item in candidates]
    usual = float(np.median(news[later].sum(axis=1))) if any(later) else 0.0
    whole = news[first].sum(axis=1, keepdims=True)
    news[first] *= np.minimum(1, usual / np.maximum(whole, 1e-9))
    return news


def _light(place: int, candidates: Sequence[Candidate]) -> float:
    """Return the factor of a picture by its brightness: small if the same picture soon becomes much brighter."""
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
    """State of the cells that the chosen candidates show.

    The candidates are in time order; `blocks` are their blocks (n x 4 x cells), `worths` the values of their cells (n x
    cells).
    """

    def __init__(self, blocks: Blocks, worths: Cells) -> None:
        self._blocks = blocks
        self._worths = worths
        self._layers: list[Bytes] = []
        self._same: list[NDArray[np.bool_]] = []
        self._forget()

    def add(self, place: int) -> None:
        """Show the candidate at `place`."""
        layer, same = self._compare(place)
        self._layers.append(layer)
        self._same.append(same)
        self._record(len(self._layers) - 1)

    def exchange(self, but: int, place: int) -> None:
        """Show the candidate at `place` instead of the one added as number `but`."""
        self._layers[but], self._same[but] = self._compare(place)
        self._forget()
        for number in range(len(self._layers)):
            self._record(number)

    def unseen(self, but: int | None = None) -> Numbers:
        """Return the value of each candidate's cells that none shows yet, as if number `but` had not been added.

        A picture with the same content counts half the second time, a third the third time.
        """
        least = self._least if but is None else np.where(self._owner == but, self._second, self._least)
        added = np.einsum("kc,kc->k", self._worths, least.astype(np.float32)).astype(np.float64) / _UNSEEN
        again = sum((same for number, same in enumerate(self._same) if number != but), np.zeros(len(added), np.intp))
        return np.asarray(added / (1 + again))

    def _compare(self, place: int) -> tuple[Bytes, NDArray[np.bool_]]:
        """Return per candidate and cell how little of it the one at `place` shows, 0 … 255, and which are the same."""
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

    def _record(self, number: int) -> None:
        """Update the most similar shown picture of each candidate and cell, and the two smallest differences."""
        layer = self._layers[number]
        is_least = layer < self._least
        self._second = np.where(is_least, self._least, np.minimum(self._second, layer))
        self._owner = np.where(is_least, np.int16(number), self._owner)
        self._least = np.where(is_least, layer, self._least)


def times_again(candidates: Sequence[Candidate], worths: Cells, blocks: Blocks) -> NDArray[np.float64]:
    """Return how often each candidate's new content returns before or after it, with something else between.

    Args:
        candidates: Candidates in time order.
        worths: Value of each cell of each candidate, n x cells.
        blocks: Blocks of their looks, n x 4 x cells.
    """
    pixels = np.stack([_by_cell(item) for item in candidates])
    mean = np.full(pixels.shape[2], 1 / (_LUMA_LEVELS * pixels.shape[2]), np.float32)
    colours = blocks[:, 1:3]
    found = np.zeros(len(candidates))
    for place in np.flatnonzero(worths.sum(axis=1) >= _MIN_NOVELTY):
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
    """Return the pixels of the luma by cell: every other one."""
    (width, height), (across, down) = LUMA_SIZE, CELL_SIZE
    parts = item.look.luma.reshape(down, height // down, across, width // across).transpose(0, 2, 1, 3)
    return np.asarray(parts.reshape(across * down, -1)[:, ::2], np.uint8)


def _visits(shares: NDArray[np.float32]) -> int:
    """Count how often the share rises above _AGAIN after it had fallen below _GONE; the candidate's own visit is 1."""
    is_there = shares[(shares > _AGAIN) | (shares < _GONE)] > _AGAIN
    return int(is_there[0]) + int((is_there[1:] & ~is_there[:-1]).sum())
