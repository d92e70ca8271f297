"""Timeline metrics: Measures of a video in at most MOST_STEPS steps, and its black, frozen and flashing segments.

Memory does not grow with the video: when it is longer than the steps reach, the step doubles and neighbours are merged.
Nothing is decoded or scaled here.

The detectors of segments take samples and brightness in time order. Each keeps at most MOST_STRETCHES segments, so
memory does not grow with the video: beyond that the shortest is dropped, and the others stay correct.
"""

import math
from collections import deque
from copy import copy

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Measures, Stretch, StretchType
from framelens.video.features.frame_signature import NUM_CELLS, DetailedGlance, Glance

MOST_STEPS = 600  # 150 s at the first step.
_FIRST_STEP_SECONDS = 0.25  # two samples
_LEAST_SECONDS = 0.001  # keeps the motion of two samples at one time finite
_NEUTRAL = 128 / 255
_EXTREMELY_COLOURFUL = 109 / 255
"""The scale of Hasler & Suesstrunk, "Measuring colourfulness in natural images" (2003), calls 109 of 255 "extremely
colourful"; it is 1 here."""
# Their opponent axes from Cb and Cr (BT.601; the luma falls out of both): R - G, and (R + G) / 2 - B.
_AXES = np.array([[0.344136, 2.116136], [-1.944068, 0.343932]], np.float32)
_Values = NDArray[np.float64]
MOST_STRETCHES = 100
"""Most segments of one type."""
_GAP_SECONDS = 0.5
"""Where the next sample comes later than this, nothing is claimed for the time between: a segment ends with the last
sample that proves it."""
_BLACK_SECONDS = 0.2
"""As long as a blink of the viewer (0.1 to 0.4 s): shorter segments belong to a cut. A search for commercial breaks
needs longer segments, such as the 2 s of ffmpeg's blackdetect, and finds them among these."""
_DIM = 0.12
"""Most brightness of a black picture, as in frame_signature; it locates the edges to the frame."""
_FROZEN_SECONDS = 1.0  # shortest frozen segment.
_SKIPPED_SECONDS = 1.0  # shortest part that was not looked at.
_APART = 3.5
"""A cell that is further from its value at the segment's start has changed; coding alone moved no cell by more than 3
of 255."""
_STIRS = 0.015 / 255
_STIRRED_SAMPLES = 5
"""A camera's picture stirs from sample to sample even where nothing moves: by 0.02 to 0.3 of 255 in the quietest
seconds of thirty real recordings (the recording of an empty room has three short segments without). A frozen picture,
encoded in nine ways, stays at 0.00 to 0.01 except in the few samples in which the codec renews it."""
# The rule's step and count of changes: see Flashes.
_FLASH_STEP = 0.10
_FLASH_CHANGES = 7
_FLASH_SECONDS = 0.9995  # just under the second of the rule: three a second are allowed, whatever the rounding of times


class TimelineMeter:
    """Meter for the samples and the brightness of every frame in time order; `finish` may be called at any moment."""

    def __init__(self) -> None:
        self._steps = _Steps()
        self._black, self._still, self._flashes = Blackness(), Stillness(), Flashes()
        self._before: tuple[float, DetailedGlance] | None = None
        self._skipped: list[tuple[float, float]] = []
        self.skipped_seconds = 0.0

    def take(self, time_seconds: float, look: DetailedGlance, *, burst: float) -> None:
        """Record a sample, about eight a second; `burst` is how much new content it has, 0 … 1."""
        before_seconds, before = self._before or (time_seconds, look)
        moved = _movement(before, look)
        motion = min(1.0, moved / max(time_seconds - before_seconds, _LEAST_SECONDS))
        self._before = time_seconds, look
        self._steps.add(time_seconds, burst, (motion, look.brightness, look.sharpness, colourfulness(look)))
        self._black.take(time_seconds, look.is_black)
        self._still.take(time_seconds, look, moved)

    def still(self, from_seconds: float, until_seconds: float, look: DetailedGlance) -> None:
        """Record a frame that is shown for long: nothing changes until the next frame."""
        _, before = self._before or (from_seconds, look)
        for seconds, moved in ((from_seconds, _movement(before, look)), (until_seconds, 0.0)):
            self._black.take(seconds, look.is_black)
            self._still.take(seconds, look, moved)

    def leave_out(self, time_seconds: float) -> None:
        """Record that frames after a time aren't read: whether the picture is still there is not known."""
        self._still.interrupt(time_seconds)

    def skip(self, start_seconds: float, end_seconds: float) -> None:
        """Record a part that was not looked at; a single frame between two of them doesn't part them."""
        if end_seconds - start_seconds < _SKIPPED_SECONDS:
            return
        self._still.interrupt(start_seconds)
        self._black.off(start_seconds)
        self.skipped_seconds += end_seconds - start_seconds
        if self._skipped and start_seconds - self._skipped[-1][1] < _GAP_SECONDS:
            start_seconds, _ = self._skipped.pop()
        self._skipped.append((start_seconds, end_seconds))
        if len(self._skipped) > MOST_STRETCHES:
            self._join_nearest()

    def _join_nearest(self) -> None:
        """Join the two skipped parts with the shortest time between them: rather too much is named than too little."""
        index = min(
            range(1, len(self._skipped)), key=lambda place: self._skipped[place][0] - self._skipped[place - 1][1]
        )
        (start, _), (_, end) = self._skipped[index - 1 : index + 1]
        self._skipped[index - 1 : index + 1] = [(start, end)]

    def light(self, time_seconds: float, brightness: float) -> None:
        """Record the mean luma, 0 … 1, of a decoded frame: before `take` if the frame is also a sample."""
        self._black.light(time_seconds, brightness)
        self._flashes.light(time_seconds, brightness)

    def finish(self, end_seconds: float) -> tuple[Measures | None, tuple[Stretch, ...]]:
        """Return the Measures (None without samples) and the segments by their start, if the video ends here."""
        detectors = (self._black, self._still, self._flashes)
        stretches = [stretch for detector in detectors for stretch in detector.until(end_seconds)]
        stretches += [Stretch(start, end, "skipped") for start, end in self._skipped]
        return self._steps.measures(end_seconds), tuple(sorted(stretches, key=lambda stretch: stretch.start_seconds))


def _movement(before: Glance, after: Glance) -> float:
    """Return the mean absolute difference of the cells' luma, 0 … 1."""
    return cv2.norm(before.levels[0], after.levels[0], cv2.NORM_L1) / (255 * NUM_CELLS)


def colourfulness(look: DetailedGlance) -> float:
    """Return the colourfulness after Hasler & Suesstrunk; 1 is "extremely colourful".

    It is computed from the cells' means, so colours in areas smaller than a cell count as their mixture.
    """
    axes = _AXES @ (look.cells[1:] - np.float32(_NEUTRAL))
    means = [cv2.mean(axis)[0] for axis in axes]
    spread = cv2.norm(axes, cv2.NORM_L2SQR) / NUM_CELLS - means[0] ** 2 - means[1] ** 2
    return (math.sqrt(max(0.0, spread)) + 0.3 * math.hypot(*means)) / _EXTREMELY_COLOURFUL


class _Steps:
    """Accumulator of the highest change, the number of samples and the sums of their four values in each step."""

    def __init__(self) -> None:
        self._seconds = _FIRST_STEP_SECONDS
        self._peaks: _Values = np.zeros(MOST_STEPS)
        self._sums: _Values = np.zeros((5, MOST_STEPS))

    def add(self, time_seconds: float, change: float, values: tuple[float, float, float, float]) -> None:
        self._reach(time_seconds)
        index = min(int(time_seconds / self._seconds), MOST_STEPS - 1)
        self._peaks[index] = max(self._peaks[index], change)
        self._sums[:, index] += (1.0, *values)

    def measures(self, end_seconds: float) -> Measures | None:
        sampled = np.flatnonzero(self._sums[0])
        if not sampled.size:
            return None
        steps = copy(self)  # growing replaces the arrays, so these stay unchanged
        steps._reach(end_seconds)
        return steps._measures(end_seconds)

    def _reach(self, seconds: float) -> None:
        """Double the steps until they reach `seconds`: neighbours' peaks give a maximum, their sums a sum."""
        while seconds > self._seconds * MOST_STEPS:
            self._seconds *= 2
            self._peaks = _front(self._peaks.reshape(-1, 2).max(axis=1))
            self._sums = _front(self._sums.reshape(5, -1, 2).sum(axis=2))

    def _measures(self, end_seconds: float) -> Measures:
        """Return the Measures; a step without a sample repeats the last picture and moves as the next sample found."""
        sampled = np.flatnonzero(self._sums[0])
        number = max(int(sampled[-1]) + 1, min(MOST_STEPS, math.ceil(end_seconds / self._seconds)))
        steps = np.arange(number)
        before = sampled[np.maximum(0, np.searchsorted(sampled, steps, "right") - 1)]
        after = sampled[np.minimum(sampled.size - 1, np.searchsorted(sampled, steps))]
        moves, *shown = self._sums[1:] / np.maximum(1.0, self._sums[0])
        moved = np.where(steps <= sampled[-1], moves[after], 0.0)
        rows = (self._peaks[:number], moved, *(values[before] for values in shown))
        change, motion, brightness, sharpness, colour = (tuple(row.tolist()) for row in rows)
        return Measures(self._seconds, change, motion, brightness, sharpness, colour)


def _front(half: _Values) -> _Values:
    return np.concatenate([half, np.zeros_like(half)], axis=-1)


class Spans:
    """Collector of segments of one type; segments shorter than `least_seconds` are ignored."""

    def __init__(self, type: StretchType, least_seconds: float) -> None:
        self._type = type
        self._least = least_seconds
        self._kept: list[Stretch] = []
        self._start: float | None = None
        self._last = 0.0

    def on(self, time_seconds: float, since_seconds: float | None = None) -> None:
        """Begin or extend a segment at `time_seconds`; a new segment begins at `since_seconds` if given."""
        if self._start is None:
            self._start = time_seconds if since_seconds is None else since_seconds
        self._last = time_seconds

    def off(self, time_seconds: float) -> None:
        """End the current segment, if any, at `time_seconds`."""
        self._kept = self.until(time_seconds)
        self._start = None

    def until(self, end_seconds: float) -> list[Stretch]:
        """Return the segments found if the video ends at `end_seconds`."""
        if self._start is None:
            return self._kept
        end = end_seconds if end_seconds - self._last <= _GAP_SECONDS else self._last
        if end - self._start < self._least:
            return self._kept
        stretches = [*self._kept, Stretch(self._start, end, self._type)]
        if len(stretches) > MOST_STRETCHES:
            stretches.remove(min(stretches, key=lambda stretch: stretch.end_seconds - stretch.start_seconds))
        return stretches


class Blackness(Spans):
    """Detector of black segments: samples decide, the brightness of all frames locates the edges."""

    def __init__(self) -> None:
        super().__init__("black", _BLACK_SECONDS)
        self._is_dim = False
        self._turned_seconds = 0.0
        self._sampled_seconds = -1.0

    def light(self, time_seconds: float, brightness: float) -> None:
        """Record the mean luma, 0 … 1, of a decoded frame."""
        if (brightness < _DIM) != self._is_dim:
            self._is_dim = not self._is_dim
            self._turned_seconds = time_seconds

    def take(self, time_seconds: float, is_black: bool) -> None:
        """Record a sample."""
        edge = self._turned_seconds
        if is_black != self._is_dim or not self._sampled_seconds < edge <= time_seconds:
            edge = time_seconds
        if is_black:
            self.on(time_seconds, edge)
        else:
            self.off(edge)
        self._sampled_seconds = time_seconds


class Stillness(Spans):
    """Detector of frozen segments, exact to a sample: no cell changes and the picture does not stir."""

    def __init__(self) -> None:
        super().__init__("frozen", _FROZEN_SECONDS)
        self._anchor: DetailedGlance | None = None
        self._stirring: list[float] = []

    def take(self, time_seconds: float, look: DetailedGlance, moved: float) -> None:
        """Record a sample; `moved` is the cells' mean absolute luma difference to the previous sample, 0 … 1."""
        self._stirring = [*self._stirring, time_seconds] if moved > _STIRS else []
        if self._anchor is None or look.is_black or _furthest(self._anchor, look) > _APART:
            self._begin(time_seconds, look)
        elif len(self._stirring) == _STIRRED_SAMPLES:
            self.off(self._stirring[0])
            self._begin(time_seconds, look)
        elif not self._stirring:
            self.on(time_seconds)

    def interrupt(self, time_seconds: float) -> None:
        """End the current segment, and begin none before the next sample."""
        self.off(time_seconds)
        self._anchor = None

    def _begin(self, time_seconds: float, look: DetailedGlance) -> None:
        self.off(time_seconds)
        self._stirring = []
        self._anchor = None if look.is_black else look
        if self._anchor is not None:
            self.on(time_seconds)


def _furthest(glance: Glance, other: Glance) -> float:
    """Return the largest difference of a cell's level, 0 … 255."""
    return cv2.norm(glance.levels, other.levels, cv2.NORM_INF)


class Flashes(Spans):
    """Detector of flashing segments: more than three flashes a second (WCAG 2.x general flash, ITU-R BT.1702).

    A flash is a pair of opposing changes of 10 % or more of full light, so the seventh change within a second begins
    a fourth flash. This is an approximation that warns rather too early: it measures the mean luma of the whole
    picture, where the rule uses relative luminance and a quarter of the middle of the view. The rule's limit of 0.80
    for the darker picture needs no test: a luma that rises by 0.10 starts from at most 0.90, a relative luminance of
    0.79.
    """

    def __init__(self) -> None:
        super().__init__("flashing", 0.0)
        self._ended_seconds = 0.0
        self._changes: deque[float] = deque(maxlen=_FLASH_CHANGES)
        self._extreme: float | None = None
        self._direction = 0.0

    def light(self, time_seconds: float, brightness: float) -> None:
        """Record the mean luma, 0 … 1, of a decoded frame."""
        moved = 0.0 if self._extreme is None else brightness - self._extreme
        if self._extreme is None or moved * self._direction > 0:
            self._extreme = brightness
        elif abs(moved) >= _FLASH_STEP:
            self._extreme, self._direction = brightness, moved
            self._changes.append(time_seconds)
            self._judge()

    def _judge(self) -> None:
        first, last = self._changes[0], self._changes[-1]
        if len(self._changes) < _FLASH_CHANGES or last - first > _FLASH_SECONDS:
            return
        if first > self._ended_seconds:
            self.off(self._ended_seconds)
        self.on(first)
        self.on(last)
        self._ended_seconds = last

    def until(self, end_seconds: float) -> list[Stretch]:
        """Return the segments found if the video ends at `end_seconds`."""
        return super().until(min(end_seconds, self._ended_seconds))
