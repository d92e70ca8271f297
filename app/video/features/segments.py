"""Detectors of black, frozen and flashing segments of a video.

They take samples and brightness in time order. Each keeps at most MOST_STRETCHES segments, so memory does not grow with
the video: beyond that the shortest is dropped, and the others stay correct. Metrics in steps are in
app.video.features.timeline_metrics.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Stretch, StretchType
from app.video.features.frame_signature import Look

MOST_STRETCHES = 100
"""Most segments of one type. Chosen by hand; not tuned."""

_GAP_SECONDS = 0.5
"""Where the next sample comes later than this, nothing is claimed for the time between: a segment ends with the last
sample that proves it. Chosen by hand; not tuned."""

_BLACK_SECONDS = 0.2
"""As long as a blink of the viewer (0.1 to 0.4 s): shorter segments belong to a cut. A search for commercial breaks
needs longer ones, such as the 2 s of ffmpeg's blackdetect, and finds them among these."""
_DIM = 0.12
"""Most brightness of a black picture, as in frame_signature; it locates the edges to the frame."""

_FROZEN_SECONDS = 1.0  # shortest frozen segment. Chosen by hand; not tuned.
_APART = 3.5 / 255
"""A cell that is further from its value at the segment's start has changed; coding alone moved none by more than 3 of
255."""
_STIRS = 0.015 / 255
_STIRRED_SAMPLES = 5
"""A camera's picture stirs from sample to sample even where nothing moves: by 0.02 to 0.3 of 255 in the quietest
seconds of thirty real recordings (one, of an empty room, has three short segments without). A frozen picture, encoded
in nine ways, stays at 0.00 to 0.01 except in the few samples in which the codec renews it."""

# The rule's step and count of changes: see Flashes.
_FLASH_STEP = 0.10
_FLASH_CHANGES = 7
_FLASH_SECONDS = 0.9995  # just under the second of the rule: three a second are allowed, whatever the rounding of times


class Spans:
    """Collector of segments of one type; those shorter than `least_seconds` are ignored."""

    def __init__(self, type: StretchType, least_seconds: float) -> None:
        self._type = type
        self._least = least_seconds
        self._kept: list[Stretch] = []
        self._start: float | None = None
        self._last = 0.0

    def on(self, time_seconds: float, since_seconds: float | None = None) -> None:
        """Begin or extend a segment at `time_seconds`; a new one begins at `since_seconds` if given."""
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
        found = [*self._kept, Stretch(self._start, end, self._type)]
        if len(found) > MOST_STRETCHES:
            found.remove(min(found, key=lambda one: one.end_seconds - one.start_seconds))
        return found


class Blackness:
    """Detector of black segments: samples decide, the brightness of all frames locates the edges."""

    def __init__(self) -> None:
        self._spans = Spans("black", _BLACK_SECONDS)
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
            self._spans.on(time_seconds, edge)
        else:
            self._spans.off(edge)
        self._sampled_seconds = time_seconds

    def until(self, end_seconds: float) -> list[Stretch]:
        """Return the segments found if the video ends at `end_seconds`."""
        return self._spans.until(end_seconds)


class Stillness:
    """Detector of frozen segments, exact to a sample: no cell changes and the picture does not stir."""

    def __init__(self) -> None:
        self._spans = Spans("frozen", _FROZEN_SECONDS)
        self._anchor: NDArray[np.float32] | None = None
        self._stirring: list[float] = []

    def take(self, time_seconds: float, look: Look, moved: float) -> None:
        """Record a sample; `moved` is the cells' mean absolute luma difference to the previous one, 0 … 1."""
        self._stirring = [*self._stirring, time_seconds] if moved > _STIRS else []
        if self._anchor is None or look.is_black or np.abs(look.cells - self._anchor).max() > _APART:
            self._begin(time_seconds, look)
        elif len(self._stirring) == _STIRRED_SAMPLES:
            self._spans.off(self._stirring[0])
            self._begin(time_seconds, look)
        elif not self._stirring:
            self._spans.on(time_seconds)

    def until(self, end_seconds: float) -> list[Stretch]:
        """Return the segments found if the video ends at `end_seconds`."""
        return self._spans.until(end_seconds)

    def _begin(self, time_seconds: float, look: Look) -> None:
        self._spans.off(time_seconds)
        self._stirring = []
        self._anchor = None if look.is_black else look.cells
        if self._anchor is not None:
            self._spans.on(time_seconds)


class Flashes:
    """Detector of flashing segments: more than three flashes a second (WCAG 2.x general flash, ITU-R BT.1702).

    A flash is a pair of opposing changes of 10 % or more of full light, so the seventh change within a second begins
    a fourth flash. This is an approximation that warns rather too early: it measures the mean luma of the whole
    picture, where the rule uses relative luminance and a quarter of the middle of the view. The rule's limit of 0.80
    for the darker picture needs no test: a luma that rises by 0.10 starts from at most 0.90, a relative luminance of
    0.79.
    """

    def __init__(self) -> None:
        self._spans = Spans("flashing", 0.0)
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
            self._spans.off(self._ended_seconds)
        self._spans.on(first)
        self._spans.on(last)
        self._ended_seconds = last

    def until(self, end_seconds: float) -> list[Stretch]:
        """Return the segments found if the video ends at `end_seconds`."""
        return self._spans.until(min(end_seconds, self._ended_seconds))
