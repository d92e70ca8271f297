"""Packing of speech into windows: silence between passages is left out, and times are mapped back.

A Whisper model reads half a minute at a time, however little is said in it. So passages of speech are put together, and
cut at pauses: within a window faster-whisper continues where the last whole sentence ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Samples = NDArray[np.float32]
ENOUGH_SAMPLES, MOST_SAMPLES = 60 * RATE, 120 * RATE
"""A window ends at the first pause after ENOUGH_SAMPLES of speech, and without a pause after MOST_SAMPLES. Interrupted
work begins at a window again, so a longer window costs more then."""
_SAME_SECONDS = 0.05
"""Passages that are closer belong together: the sound was only cut in two there."""


@dataclass(frozen=True)
class SpeechPassage:
    """Speech without a longer pause, from `start_seconds` of the recording on."""

    start_seconds: float
    samples: Samples


@dataclass(frozen=True)
class Window:
    """Passages in time order that the model reads together."""

    passages: tuple[SpeechPassage, ...]

    @property
    def samples(self) -> Samples:
        """Return the sound of all passages."""
        return np.concatenate([passage.samples for passage in self.passages])

    def times(self, start_seconds: float, end_seconds: float) -> tuple[float, float]:
        """Return [start, end) of a word in the recording; the word lies in the passage that holds its middle.

        Args:
            start_seconds: Start of the word in `samples`.
            end_seconds: Its end there.
        """
        starts = [0.0]
        for passage in self.passages:
            starts.append(starts[-1] + len(passage.samples) / RATE)
        index = min(bisect_right(starts, (start_seconds + end_seconds) / 2), len(self.passages)) - 1
        first, last = starts[index], starts[index + 1]
        shift = self.passages[index].start_seconds - first
        return tuple(round(min(max(seconds, first), last) + shift, 3) for seconds in (start_seconds, end_seconds))  # type: ignore[return-value]


class Packer:
    """Streaming packer: `push` passages of at most half a minute in order, then `finish`."""

    def __init__(self) -> None:
        self._held: list[SpeechPassage] = []

    @property
    def held_from_seconds(self) -> float | None:
        """Return the start of the speech that isn't in a window yet, None if nothing is held."""
        return self._held[0].start_seconds if self._held else None

    def push(self, passage: SpeechPassage) -> Iterator[Window]:
        """Add a passage; yield the window that ends before it."""
        held = sum(len(each.samples) for each in self._held)
        if held + len(passage.samples) > MOST_SAMPLES or (held >= ENOUGH_SAMPLES and not self._continues(passage)):
            yield from self.finish()
        self._held.append(passage)

    def _continues(self, passage: SpeechPassage) -> bool:
        last = self._held[-1]
        return passage.start_seconds - (last.start_seconds + len(last.samples) / RATE) < _SAME_SECONDS

    def finish(self) -> Iterator[Window]:
        """Yield the held speech as a window."""
        if self._held:
            yield Window(tuple(self._held))
            self._held = []
