"""Detector of gradual transitions (dissolves and wipes) in samples taken several times a second.

Within a dissolve every picture is a mixture of the same two pictures, with a growing share of the second. Motion is not
a mixture, and changing light mixes a picture with itself: neither is a dissolve.

In a wipe each cell shows the first picture, then the second, with nothing in between; when it changes depends on its
place: along a line in any direction, or from or to the centre. An object that moves through the picture changes the
cells back again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from app.video.features.frame_signature import Glance
from app.video.readers.base import CELL_SIZE
from app.video.shots.cut_detector import likeness

# Without another remark, the numbers below were chosen by hand and not tuned one by one. Together they detect
# 94 % of 1,344 wipes between real clips, and none in fifteen videos without wipes (docs/keyframes.md, "Shots").
STEP_SECONDS = 0.07
"""Least distance of two samples."""
_LENGTHS_SECONDS = (0.45, 0.75, 1.1, 1.6)
"""Usual lengths of transitions in editing programs; a shorter one is detected as a cut."""
_LEAST_CHANGE, _SURE_CHANGE = 0.033, 0.055
"""Mean difference of the two pictures, 0..1 a channel. Below the first value the eye sees no other picture; from the
second value on, movement within one picture can't reach it. In between, as for two shots of one room, every cell that
changes must be mixed."""
_MOST_ALIKE = 0.75
"""Correlation of the two pictures' luma, at most."""
_MOST_REST = 0.36
"""Share of the change that the mixture may leave unexplained halfway, since movement continues in both shots."""
_LEAST_MIXED = 3
"""Pictures that are clearly mixed: between 15 and 85 %."""
_LARGEST_STEP = 0.45
"""Growth of the second picture's share from one sample to the next, at most."""
_CELL_CHANGE, _CELL_APART = 0.04, 0.15
"""Distance of a cell's two colours from which on it has changed, 0..1 a channel, and how far its mean mixture may be
from that of the whole picture."""
_LEAST_TOGETHER = 0.75
"""Share of the changed cells that follow the whole picture. Measured: 0.78 to 0.99 in dissolves between shots of one
room, 0.49 to 0.73 where somebody moves in it."""
_FLAT = 0.012
"""Standard deviation of the luma, 0..1, of an empty picture: a transition from or to one is a fade."""
_CHANGED = 0.08
"""Distance of a cell's two colours, 0..1 a channel, from which on the time of its change can be determined."""
_LEAST_CHANGED, _LEAST_CLEAN = 0.45, 0.75  # shares of all cells that change, and of these that change cleanly
_MOST_BETWEEN = 2  # samples in which the edge may cross a cell
_STEADY = 0.9  # share of the samples in which a cell shows one picture before its change and the other after it
_LEAST_STEPS = 5  # samples that the edge needs to cross the picture
_ORDERED = 0.85  # share of the variance of the times that the place explains
_AT_ONCE = 0.35  # share of the cells; if more change in one sample, it is a cut
_CUT_SHARE = 0.8  # of the whole change: where one sample brings more, it is a cut, which is cheap to tell
_ENDS = 0.02  # share of the cells that may have changed before and after
_across, _down = np.meshgrid(
    (np.arange(CELL_SIZE[0]) + 0.5) / CELL_SIZE[0], (np.arange(CELL_SIZE[1]) + 0.5) / CELL_SIZE[1]
)
_LINE = np.stack([_across.ravel(), _down.ravel(), np.ones(_across.size)], axis=1)
_out_across, _out_down = np.abs(_across - 0.5).ravel(), np.abs(_down - 0.5).ravel()
_MIDDLE = np.stack([_out_across, _out_down, np.hypot(_out_across, _out_down), np.ones(_across.size)], axis=1)


@dataclass(frozen=True)
class Gradual:
    """A gradual transition; `rest` is the share of the change that this reading leaves unexplained, 0 … 1."""

    start_seconds: float
    end_seconds: float
    rest: float
    type: Literal["dissolve", "wipe"]


class GradualDetector:
    """Streaming detector. `push` glances in order."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Glance]] = deque()
        self._jumps: deque[float] = deque()  # from the sample before to each sample
        self._open: Gradual | None = None

    def push(self, time_seconds: float, glance: Glance) -> Gradual | None:
        """Add a frame; return a transition that is over, once no better reading of it is possible."""
        if self._samples and time_seconds - self._samples[-1][0] < STEP_SECONDS:
            return None
        self._jumps.append(_distance(self._samples[-1][1], glance) if self._samples else 0.0)
        self._samples.append((time_seconds, glance))
        while time_seconds - self._samples[0][0] > _LENGTHS_SECONDS[-1] + 4 * STEP_SECONDS:
            self._samples.popleft()
            self._jumps.popleft()
        found = min((d for d in map(self._read, _LENGTHS_SECONDS) if d), key=lambda d: d.rest, default=None)
        done = None
        if self._open is not None and self._is_past(self._open, found, time_seconds):
            done, self._open = self._open, None
        if found is not None and (self._open is None or found.rest < self._open.rest):
            self._open = found
        return done

    @staticmethod
    def _is_past(known: Gradual, found: Gradual | None, time_seconds: float) -> bool:
        apart = found is None or found.start_seconds > known.end_seconds
        return apart and time_seconds - known.end_seconds > _LENGTHS_SECONDS[0]

    def flush(self) -> Gradual | None:
        """Return the transition still pending at the end of the video."""
        done, self._open = self._open, None
        return done

    def _read(self, length_seconds: float) -> Gradual | None:
        """Return the transition of this length that ends now, if the samples show one."""
        end, last = self._samples[-1]
        place = next(n for n, sample in enumerate(self._samples) if sample[0] >= end - length_seconds - 1e-6)
        start, first = self._samples[place]
        apart = _apart(first, last)
        if apart < _LEAST_CHANGE or likeness(first, last) > _MOST_ALIKE or end - start < 0.8 * length_seconds:
            return None
        if max(islice(self._jumps, place + 1, None)) > _CUT_SHARE * apart and apart >= _SURE_CHANGE:
            return None
        inside = list(islice(self._samples, place, None))
        if len(inside) < _LEAST_MIXED + 2 or _is_empty(first) or _is_empty(last):
            return None
        moved = np.concatenate([glance.cells for _, glance in inside]).reshape(len(inside), *first.cells.shape)
        moved -= first.cells
        rest = _unmixed(moved.reshape(len(moved), -1))
        if rest is not None and (apart >= _SURE_CHANGE or _together(moved)):
            return Gradual(start, end, rest, "dissolve")
        wipe = _find_wipe(moved)
        return None if wipe is None else Gradual(inside[wipe.first][0], inside[wipe.last][0], wipe.rest, "wipe")


def _apart(first: Glance, last: Glance) -> float:
    """Return the mean difference of two pictures, 0..1 a channel.

    The change that all cells have in common is subtracted from a small difference.
    """
    apart = _distance(first, last)
    if not _LEAST_CHANGE <= apart < _SURE_CHANGE:
        return apart
    change = last.cells - first.cells
    return min(apart, float(np.abs(change - change.mean(axis=1, keepdims=True)).mean()))


def _distance(first: Glance, last: Glance) -> float:
    """Return the mean difference of two pictures, 0..1 a channel."""
    return cv2.norm(first.levels, last.levels, cv2.NORM_L1) / (255 * first.levels.size)


def _together(moved: NDArray[np.float32]) -> bool:
    """Return whether the changing cells change together; movement changes one after another.

    Args:
        moved: The samples less the first one, n x 3 x cells.
    """
    whole = moved[-1]
    size = (whole**2).sum(axis=0)
    changed = size > _CELL_CHANGE**2
    parts = (moved * whole).sum(axis=1)
    shares = parts.sum(axis=1) / size.sum()
    off = np.abs(parts[:, changed] / size[changed] - shares[:, None]).mean(axis=0)
    return off.size > 0 and float((off < _CELL_APART).mean()) >= _LEAST_TOGETHER


def _unmixed(moved: NDArray[np.float32]) -> float | None:
    """Return the share (0 … 1) of the change that mixtures of the first and last sample leave unexplained.

    Return None where the samples between are not such mixtures.

    Args:
        moved: The samples less the first one, one in a row.
    """
    whole = moved[-1]
    shares = moved @ whole / float(whole @ whole)
    steps = np.diff(shares)
    mixed = (shares > 0.15) & (shares < 0.85)
    if np.count_nonzero(mixed) < _LEAST_MIXED or steps.min() < -0.02 or steps.max() > _LARGEST_STEP:
        return None
    rests = np.linalg.norm(moved[mixed] - shares[mixed, None] * whole, axis=1) / np.linalg.norm(whole)
    rest = float(rests.max())
    return rest if rest <= _MOST_REST else None


def _is_empty(glance: Glance) -> bool:
    return glance.is_black or glance.contrast < _FLAT


class Swept(NamedTuple):
    """An edge that moves from sample `first` to `last`; `rest` is the share it leaves unexplained, 0 … 0.15."""

    rest: float
    first: int
    last: int


def _find_wipe(moved: NDArray[np.float32]) -> Swept | None:
    """Return the moving edge that explains the samples, or None if there is no wipe.

    Args:
        moved: The samples less the first one, n x 3 x cells, 0..1.
    """
    whole = moved[-1]
    size = (whole**2).sum(axis=0)
    changed = np.flatnonzero(size > _CHANGED**2)
    if changed.size < _LEAST_CHANGED * size.size:
        return None
    shares = (moved * whole).sum(axis=1)[:, changed] / size[changed]
    between = np.count_nonzero((shares > 0.2) & (shares < 0.8), axis=0) <= _MOST_BETWEEN
    if np.count_nonzero(between) < _LEAST_CLEAN * changed.size:
        return None
    after = shares > 0.5
    moments = after.argmax(axis=0)
    stays = after == (np.arange(len(moved))[:, None] >= moments)
    clean = between & (np.count_nonzero(stays, axis=0) > _STEADY * len(moved))
    if np.count_nonzero(clean) < _LEAST_CLEAN * changed.size:
        return None
    rest = _disorder(moments[clean], changed[clean], len(moved))
    if rest is None:
        return None
    first, last = np.quantile(moments[clean], (_ENDS, 1 - _ENDS))
    return Swept(rest, max(0, int(first) - 1), int(last))


def _disorder(moments: NDArray[np.intp], places: NDArray[np.intp], num_samples: int) -> float | None:
    counts = np.bincount(moments, minlength=num_samples)
    if (counts > 0).sum() < _LEAST_STEPS or counts.max() > _AT_ONCE * moments.size:
        return None
    rests = [_unexplained(moments.astype(np.float64), basis[places]) for basis in (_LINE, _MIDDLE)]
    rest = min(rests)
    return rest if rest <= 1 - _ORDERED else None


def _unexplained(moments: NDArray[np.float64], basis: NDArray[np.float64]) -> float:
    fitted = basis @ np.linalg.lstsq(basis, moments, rcond=None)[0]
    return float(((moments - fitted) ** 2).sum() / ((moments - moments.mean()) ** 2).sum())
