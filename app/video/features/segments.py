"""From samples and brightness in time order to the stretches in which the picture is black, does not move, or flashes.

Of each kind at most MOST_STRETCHES are kept, so that memory does not grow with the video: when there are more, the
shortest is given up, and every one that is told stays true. What is measured step by step is in
app.video.features.timeline_metrics.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Stretch, StretchType
from app.video.features.frame_signature import Look

MOST_STRETCHES = 100
"""Of one kind."""

_GAP_SECONDS = 0.5
"""Where the next sample comes later than this, nothing is claimed for the time between: a stretch ends with the last
sample that proves it."""

_BLACK_SECONDS = 0.2
"""As long as a blink of the viewer (0.1 to 0.4 s): what is shorter belongs to a cut. A search for commercial breaks
asks for longer ones, such as the 2 s of ffmpeg's blackdetect, and finds them among these."""
_DIM = 0.12
"""No brighter than this is a black picture; with it the edges are found to the frame."""

_FROZEN_SECONDS = 1.0
_APART = 3.5 / 255
"""A cell that is further from where the stretch began has changed; coding alone moved none by more than 3 of 255."""
_STIRS = 0.015 / 255
_STIRRED_SAMPLES = 5
"""A camera's picture stirs from sample to sample, also where nothing is to be seen: by 0.02 to 0.3 of 255 in the
quietest seconds of thirty real recordings (one, of an empty room, has three short stretches without). A frozen one,
encoded in nine ways, stays at 0.00 to 0.01 but for the few samples in which the codec renews it."""

_FLASH_STEP = 0.10
_FLASH_CHANGES = 7
_FLASH_SECONDS = 0.9995  # just under the second of the rule: three a second are allowed, whatever the rounding of times


class Spans:
    """Stretches of one type as they begin, go on and end; those shorter than `least_seconds` are passed over."""

    def __init__(self, type: StretchType, least_seconds: float) -> None:
        self._type = type
        self._least = least_seconds
        self._kept: list[Stretch] = []
        self._start: float | None = None
        self._last = 0.0

    def on(self, time_seconds: float, since_seconds: float | None = None) -> None:
        """It holds at `time_seconds`; where this begins a stretch, it has held since `since_seconds`."""
        if self._start is None:
            self._start = time_seconds if since_seconds is None else since_seconds
        self._last = time_seconds

    def off(self, time_seconds: float) -> None:
        """It no longer holds at `time_seconds`."""
        self._kept = self.until(time_seconds)
        self._start = None

    def until(self, end_seconds: float) -> list[Stretch]:
        """What has been found if the video ends here."""
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
    """Black stretches: told by the samples, their edges by the brightness of all frames."""

    def __init__(self) -> None:
        self._spans = Spans("black", _BLACK_SECONDS)
        self._is_dim = False
        self._turned_seconds = 0.0
        self._sampled_seconds = -1.0

    def light(self, time_seconds: float, brightness: float) -> None:
        if (brightness < _DIM) != self._is_dim:
            self._is_dim = not self._is_dim
            self._turned_seconds = time_seconds

    def take(self, time_seconds: float, is_black: bool) -> None:
        edge = self._turned_seconds
        if is_black != self._is_dim or not self._sampled_seconds < edge <= time_seconds:
            edge = time_seconds
        if is_black:
            self._spans.on(time_seconds, edge)
        else:
            self._spans.off(edge)
        self._sampled_seconds = time_seconds

    def until(self, end_seconds: float) -> list[Stretch]:
        return self._spans.until(end_seconds)


class Stillness:
    """Frozen stretches: no cell leaves the place where it was, and the picture does not stir. Exact to a sample."""

    def __init__(self) -> None:
        self._spans = Spans("frozen", _FROZEN_SECONDS)
        self._anchor: NDArray[np.float32] | None = None
        self._stirring: list[float] = []

    def take(self, time_seconds: float, look: Look, moved: float) -> None:
        """`moved`: mean absolute luma difference of the cells to the sample before, 0 … 1."""
        self._stirring = [*self._stirring, time_seconds] if moved > _STIRS else []
        if self._anchor is None or look.is_black or np.abs(look.cells - self._anchor).max() > _APART:
            self._begin(time_seconds, look)
        elif len(self._stirring) == _STIRRED_SAMPLES:
            self._spans.off(self._stirring[0])
            self._begin(time_seconds, look)
        elif not self._stirring:
            self._spans.on(time_seconds)

    def until(self, end_seconds: float) -> list[Stretch]:
        return self._spans.until(end_seconds)

    def _begin(self, time_seconds: float, look: Look) -> None:
        self._spans.off(time_seconds)
        self._stirring = []
        self._anchor = None if look.is_black else look.cells
        if self._anchor is not None:
            self._spans.on(time_seconds)


class Flashes:
    """Flashing stretches by the rule of WCAG 2.x (general flash) and ITU-R BT.1702: more than three flashes a second.

    A flash is a pair of opposing changes of 10 % or more of full light, so the seventh change within a second begins
    a fourth flash. This is an approximation that warns rather too early: it looks at the mean luma of the whole
    picture, where the rule takes relative luminance and a quarter of the middle of the view. That the darker picture
    is below 0.80 needs no test: a luma that rises by 0.10 comes from at most 0.90, a relative luminance of 0.79.
    """

    def __init__(self) -> None:
        self._spans = Spans("flashing", 0.0)
        self._ended_seconds = 0.0
        self._changes: deque[float] = deque(maxlen=_FLASH_CHANGES)
        self._extreme: float | None = None
        self._direction = 0.0

    def light(self, time_seconds: float, brightness: float) -> None:
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
        return self._spans.until(min(end_seconds, self._ended_seconds))
