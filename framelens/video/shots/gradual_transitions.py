"""Detector of gradual transitions (dissolves and wipes) in samples taken several times a second.

Within a dissolve every picture is a mixture of the same two pictures, with a growing share of the second. Motion is not
a mixture, and changing light mixes a picture with itself: neither is a dissolve.

Where one of the two shots moves or flashes, the other shot's pattern still comes or goes evenly, in its place. What is
left without that pattern then has as much contrast as the moving shot, times its share, since a mixture has less
contrast than its parts. A camera that pans away from a picture, or an object that covers it, keeps the contrast.

In a wipe each cell shows the first picture, then the second, with nothing in between; when it changes depends on its
place: along a line in any direction, or from or to the centre. An object that moves through the picture changes the
cells back again.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import itemgetter
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import DetailedGlance, Glance
from framelens.video.readers.base import CELL_SIZE
from framelens.video.shots.cut_detector import likeness
from framelens.video.shots.take_dissolves import MIXED, TakeDissolveDetector, are_mixed, straight_line

# The numbers below were chosen by hand and not tuned individually. Together they detect 94 % of 1,344 wipes between
# real clips, and no wipe in fifteen videos without wipes (docs/benchmarks/keyframes.md, "Shots").
_CHANGED = 0.08
"""Distance of a cell's two colours, 0..1 a channel, from which on the time of its change can be determined."""
_LEAST_CHANGED, _LEAST_CLEAN = 0.45, 0.75  # shares of all cells that change, and of these that change cleanly
_MOST_BETWEEN = 2  # samples in which the edge may cross a cell
_STEADY = 0.9  # share of the samples in which a cell shows one picture before its change and the other after it
_LEAST_STEPS = 5  # samples that the edge needs to cross the picture
_ORDERED = 0.85  # share of the variance of the times that the place explains
_AT_ONCE = 0.35  # share of the cells; if more change in one sample, it is a cut
_ENDS = 0.02  # share of the cells that may have changed before and after
_across, _down = np.meshgrid(
    (np.arange(CELL_SIZE[0]) + 0.5) / CELL_SIZE[0], (np.arange(CELL_SIZE[1]) + 0.5) / CELL_SIZE[1]
)
_LINE = np.stack([_across.ravel(), _down.ravel(), np.ones(_across.size)], axis=1)
_out_across, _out_down = np.abs(_across - 0.5).ravel(), np.abs(_down - 0.5).ravel()
_MIDDLE = np.stack([_out_across, _out_down, np.hypot(_out_across, _out_down), np.ones(_across.size)], axis=1)


class Swept(NamedTuple):
    """An edge that moves, or a mixture that grows, from sample `first` to `last`.

    `rest` is the share that is left unexplained, 0 … 1.
    """

    rest: float
    first: int
    last: int


def find_wipe(moved: NDArray[np.float32]) -> Swept | None:
    """Return the moving edge that explains the samples, or None if there is no wipe.

    Args:
        moved: The samples minus the first sample, n x 3 x cells, 0..1.
    """
    whole = moved[-1]
    size = (whole**2).sum(axis=0)
    changed = np.flatnonzero(size > _CHANGED**2)
    if changed.size < _LEAST_CHANGED * size.size:
        return None
    shares = np.einsum("ncx,cx->nx", moved, whole)[:, changed] / size[changed]
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


STEP_SECONDS = 0.07
"""Least distance of two samples."""
_LENGTHS_SECONDS = (0.45, 0.75, 1.1, 1.6)
"""Usual lengths of transitions in editing programs; a shorter transition is detected as a cut."""
_NUM_SHORT = 2
"""Number of the shortest lengths, which are read at every sample. The others hold many samples and are read at every
second sample."""
_LEAST_CHANGE, _SURE_CHANGE = 0.033, 0.055
"""Mean difference of the two pictures, 0..1 a channel. Below the first value only a dissolve between takes is
looked for (take_dissolves); from the second value on, movement within one picture can't reach it. In between, as for
two shots of one room, every cell that changes must be mixed."""
_MOST_ALIKE = 0.75
"""Correlation of the two pictures' luma, at most."""
_MOST_REST = 0.36
"""Share of the change that the mixture may leave unexplained halfway, since movement continues in both shots."""
_BEGUN = 0.1
"""Share of the second picture at which a transition has begun, and of the first picture at which it is over."""
_MOST_REST_WIDER = 0.25
"""Most that a reading may leave unexplained to be preferred to a part of it."""
_LEAST_MIXED = 3
"""Pictures that are clearly mixed."""
_LARGEST_STEP = 0.45
"""Growth of the second picture's share from one sample to the next, at most."""
_CELL_CHANGE, _CELL_APART = 0.04, 0.15
"""Distance of a cell's two colours from which on it has changed, 0..1 a channel, and how far its mean mixture may be
from the mixture of the whole picture."""
_LEAST_TOGETHER = 0.75
"""Share of the changed cells that follow the whole picture. Measured: 0.78 to 0.99 in dissolves between shots of one
room, 0.49 to 0.73 where somebody moves in it."""
_MOST_ALIKE_MOVING = 0.5
"""Correlation of the two pictures' luma, at most, where one shot moves: a short pan keeps more."""
_CALM_SAMPLES, _CALM = 2, 0.9
"""Samples before (or after) a transition in which a shot shows the same pattern, and the least correlation of the luma;
it may flash."""
_LARGEST_OFF = 0.1
"""Distance of the calm picture's share from a straight line over time, at most."""
_CONTRAST_LEFT = (0.7, 1.4)
"""Contrast of the luma that is left without the calm picture, over the contrast expected of the moving shot's share. In
26 tuned videos, 86 drawn clips and 36 videos with events, this finds 227 dissolves and mistakes 0 of 7,850 stretches of
movement for a dissolve; 1.6 finds 229, also without a mistake. In the mean of a stretch, movement has 1.3 or more,
mostly 1.72."""
_LEAST_LEFT, _MOST_UNEXPLAINED = 0.25, 0.35
"""Where the other shot flashes instead: least contrast that is left, as above (a fade leaves none), and the most of a
picture's contrast that the two pictures in any light leave unexplained. In the same stretches of movement it is 0.56 or
more."""
_CUT_SHARE = 0.8
"""Share of the whole change: where one sample brings more, it is a cut, which is cheap to tell."""
_FLAT = 0.012
"""Standard deviation of the luma, 0..1, of an empty picture: a transition from or to an empty picture is a fade."""


@dataclass(frozen=True)
class Gradual:
    """A gradual transition; `rest` is the share of the change that this reading leaves unexplained, 0 … 1."""

    start_seconds: float
    end_seconds: float
    rest: float
    type: Literal["dissolve", "wipe"]


class MovingStretch(NamedTuple):
    """Samples between two different pictures, and whether the first picture's shot was calm until then."""

    samples: list[tuple[float, Glance]]
    is_calm_before: bool


class GradualDetector:
    """Streaming detector. `push` glances in order."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Glance]] = deque()
        self._jumps: deque[float] = deque()  # from the sample before to each sample
        self._stretches: deque[list[MovingStretch]] = deque([] for _ in range(_CALM_SAMPLES))
        self._reads_all = False
        self._take_detector = TakeDissolveDetector()
        self._take_dissolves: list[Gradual] = []
        self._open: Gradual | None = None
        self._done_seconds = 0.0  # end of the last transition returned

    def push(self, time_seconds: float, glance: Glance) -> Gradual | None:
        """Add a frame; return a transition that is over, once no better reading of it is possible."""
        if self._samples and time_seconds - self._samples[-1][0] < STEP_SECONDS:
            return None
        self._jumps.append(_distance(self._samples[-1][1], glance) if self._samples else 0.0)
        self._samples.append((time_seconds, glance))
        while time_seconds - self._samples[0][0] > _LENGTHS_SECONDS[-1] + 7 * STEP_SECONDS:
            self._samples.popleft()
            self._jumps.popleft()
        self._stretches.append([])
        self._reads_all = not self._reads_all
        lengths = _LENGTHS_SECONDS if self._reads_all else _LENGTHS_SECONDS[:_NUM_SHORT]
        readings = (*map(self._read, lengths), *self._read_moving(), *self._take_dissolves)
        self._take_dissolves = []
        fresh = (reading for reading in readings if reading and reading.start_seconds >= self._done_seconds)
        best = reduce(_better, fresh, None)
        done = None
        if self._open is not None and self._is_past(self._open, best, time_seconds):
            done, self._open = self._open, None
            self._done_seconds = done.end_seconds
        self._open = _better(self._open, best)
        return done

    def push_detailed(self, time_seconds: float, look: DetailedGlance) -> None:
        """Add details of a frame, six to nine a second; `push` the frame first."""
        dissolves = self._take_detector.push(time_seconds, look)
        self._take_dissolves += (Gradual(*mixed, "dissolve") for mixed in dissolves)

    @staticmethod
    def _is_past(current: Gradual, latest: Gradual | None, time_seconds: float) -> bool:
        apart = latest is None or latest.start_seconds > current.end_seconds
        return apart and time_seconds - current.end_seconds > _LENGTHS_SECONDS[0]

    def flush(self) -> Gradual | None:
        """Return the transition still pending at the end of the video."""
        done, self._open = self._open, None
        return done

    def _read(self, length_seconds: float) -> Gradual | None:
        """Return the transition of this length that ends now, if the samples fit."""
        end, last = self._samples[-1]
        index = bisect_left(self._samples, end - length_seconds - 1e-6, key=itemgetter(0))
        start, first = self._samples[index]
        if end - start < 0.8 * length_seconds or len(self._samples) - index < _LEAST_MIXED + 2:
            return None
        apart = _apart(first, last)
        if apart < _LEAST_CHANGE:
            return None
        if apart >= _SURE_CHANGE and max(islice(self._jumps, index + 1, None)) > _CUT_SHARE * apart:
            return None
        alike = likeness(first, last)
        if alike > _MOST_ALIKE or _is_empty(first) or _is_empty(last):
            return None
        inside = list(islice(self._samples, index, None))
        if apart >= _SURE_CHANGE and alike <= _MOST_ALIKE_MOVING:
            self._stretches[-1].append(MovingStretch(inside, self._is_calm(index)))
        moved = np.concatenate([glance.cells for _, glance in inside]).reshape(len(inside), *first.cells.shape)
        moved -= first.cells
        mixture = _unmixed(moved.reshape(len(moved), -1))
        if mixture is not None and (apart >= _SURE_CHANGE or _together(moved)):
            return Gradual(inside[mixture.first][0], inside[mixture.last][0], mixture.rest, "dissolve")
        wipe = find_wipe(moved)
        return None if wipe is None else Gradual(inside[wipe.first][0], inside[wipe.last][0], wipe.rest, "wipe")

    def _is_calm(self, index: int) -> bool:
        """Return whether a sample shows the pattern that was there some samples before."""
        if index < _CALM_SAMPLES:
            return False
        return likeness(self._samples[index - _CALM_SAMPLES][1], self._samples[index][1]) > _CALM

    def _read_moving(self) -> Iterator[Gradual]:
        """Yield the dissolves between a calm and a moving or flashing shot that ended _CALM_SAMPLES samples ago.

        The calm shot must be known for some samples beyond the transition.
        """
        for stretch in self._stretches.popleft():
            for calm, is_calm in ((0, stretch.is_calm_before), (-1, self._is_calm(len(self._samples) - 1))):
                gradual = _find_calm(stretch.samples, calm) if is_calm else None
                if gradual is not None:
                    yield gradual


def _better(current: Gradual | None, latest: Gradual | None) -> Gradual | None:
    """Return the better reading of the same samples: the reading that contains the other, or leaves less unexplained.

    Part of a dissolve is a dissolve too, and leaves less where a shot moves at the other end.
    """
    if current is None or latest is None:
        return current or latest
    for outer, inner in ((current, latest), (latest, current)):
        contains = outer.start_seconds <= inner.start_seconds and inner.end_seconds <= outer.end_seconds
        if contains and outer.rest <= _MOST_REST_WIDER:
            return outer
    return latest if latest.rest < current.rest else current


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
    """Return whether the changing cells change together; movement changes them in turn.

    Args:
        moved: The samples minus the first sample, n x 3 x cells.
    """
    whole = moved[-1]
    size = (whole**2).sum(axis=0)
    parts = np.einsum("ncx,cx->nx", moved, whole)  # each cell projected on its whole change
    shares = parts.sum(axis=1) / size.sum()
    changed = size > _CELL_CHANGE**2
    off = np.abs(parts[:, changed] / size[changed] - shares[:, None]).mean(axis=0)
    return off.size > 0 and float((off < _CELL_APART).mean()) >= _LEAST_TOGETHER


def _unmixed(moved: NDArray[np.float32]) -> Swept | None:
    """Return where the samples are mixtures of the first and last sample, or None if the samples between are not.

    `rest` is the share (0 … 1) of the change that is left unexplained.

    Args:
        moved: The samples minus the first sample, in rows.
    """
    whole = moved[-1]
    size = float(whole @ whole)
    shares = moved @ whole / size
    steps = np.diff(shares)
    mixed = are_mixed(shares)
    if np.count_nonzero(mixed) < _LEAST_MIXED or steps.min() < -0.02 or steps.max() > _LARGEST_STEP:
        return None
    sizes = np.einsum("nx,nx->n", moved, moved)
    rest = float(np.sqrt(np.maximum(sizes / size - shares**2, 0)[mixed].max()))
    return _extent(shares, rest) if rest <= _MOST_REST else None


def _extent(shares: NDArray[np.float32], rest: float) -> Swept:
    """Return from where to where the second picture's share grows from nothing to all."""
    return Swept(rest, max(0, int(np.argmax(shares > _BEGUN)) - 1), int(np.argmax(shares >= 1 - _BEGUN)))


def _is_mixture(middle: Glance, calm: Glance, other: Glance) -> bool:
    """Return whether a picture may be halfway from or to a calm picture, by the tests of `_find_calm`."""
    alike, to_calm, to_other = likeness(calm, other), likeness(middle, calm), likeness(middle, other)
    share = (to_calm - alike * to_other) / (1 - alike**2) * middle.contrast / calm.contrast
    if not MIXED[0] < share < MIXED[1]:
        return False
    expected = ((1 - share) * other.contrast) ** 2
    left = middle.contrast**2 + (share * calm.contrast) ** 2 - 2 * share * to_calm * middle.contrast * calm.contrast
    explained = (to_calm**2 + to_other**2 - 2 * alike * to_calm * to_other) / (1 - alike**2)
    rest, whole = middle.contrast**2 * (1 - explained), expected + (share * calm.contrast) ** 2
    return left < _CONTRAST_LEFT[1] ** 2 * expected or rest < _MOST_UNEXPLAINED**2 * whole


def _find_calm(samples: Sequence[tuple[float, Glance]], calm: int) -> Gradual | None:
    """Return the dissolve from a calm first picture (`calm` is 0) or to a calm last picture (-1), or None."""
    if not _is_mixture(samples[len(samples) // 2][1], samples[calm][1], samples[-1 - calm][1]):
        return None
    pictures = np.array([glance.cells[0] for _, glance in samples])
    pictures -= pictures.mean(axis=1, keepdims=True)
    ends = pictures[[calm, -1 - calm]]
    gram, sizes = ends @ ends.T, ends @ pictures.T
    shares = np.linalg.solve(gram, sizes)  # of the calm picture and of the other picture, in each sample
    steps = np.diff(shares[0]) if calm else -np.diff(shares[0])
    mixed = are_mixed(shares[0])
    if np.count_nonzero(mixed) < _LEAST_MIXED or steps.min() < -0.05 or steps.max() > _LARGEST_STEP:
        return None
    share, sizes, pictures = shares[0, mixed], sizes[:, mixed], pictures[mixed]
    times = np.array([seconds for seconds, _ in samples])[mixed]
    slope, start = straight_line(times, share)
    off = float(np.abs(share - slope * times - start).max())
    if off > _LARGEST_OFF or not slope:
        return None
    rest = np.maximum((pictures**2).sum(axis=1) - (shares[:, mixed] * sizes).sum(axis=0), 0)
    expected = (1 - share) ** 2 * gram[1, 1]
    left = np.sqrt((rest + shares[1, mixed] ** 2 * gram[1, 1]) / expected)
    if not (_CONTRAST_LEFT[0] <= left.min() and left.max() <= _CONTRAST_LEFT[1]):
        unexplained = float(np.sqrt(rest / (expected + share**2 * gram[0, 0])).max())
        if unexplained > _MOST_UNEXPLAINED or left.min() < _LEAST_LEFT:
            return None
    begin, end = sorted((-start / slope, (1 - start) / slope))
    return Gradual(max(samples[0][0], begin), min(samples[-1][0], end), _MOST_REST + off, "dissolve")


def _is_empty(glance: Glance) -> bool:
    return glance.is_black or glance.contrast < _FLAT
