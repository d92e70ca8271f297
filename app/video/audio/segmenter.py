"""Segmenter of decoded sound: cuts it at quiet places and drops silence. Decodes nothing."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.core.domain import SoundPiece

RATE = 16_000
"""Samples a second, one channel of 16 bit: the input of speech models."""
MOST_SECONDS = 30
"""Length of a piece, at most."""
Samples = NDArray[np.int16]

# The lengths and levels below were chosen by hand; not tuned.
_WINDOW = RATE // 50
"""Samples of a window: 20 ms."""
_A_SECOND = 50  # windows
_MOST = MOST_SECONDS * _A_SECOND
_EARLIEST_CUT = 20 * _A_SECOND
"""Windows of a piece before it may be cut at a quiet place."""
_MARGIN = _A_SECOND // 5
"""Windows of silence kept around sound: the beginning of a word may be softer than the limit for sound."""
_PAUSE = 15
"""Windows that must be quiet together for a good place to cut; the gap between two words is shorter."""
_NO_SOUND = 4
"""Inaudible peak, of 32768; lossy codecs produce such values for silence."""
_SAME_SECONDS = 0.002
"""A block whose time differs by more doesn't continue the one before."""


class AudioSegmenter:
    """Streaming segmenter: `push` blocks in order, then `finish`. Holds about 30 s at most."""

    def __init__(self) -> None:
        self._held: Samples = np.empty(0, np.int16)
        self._start = 0.0

    def push(self, time_seconds: float, samples: Samples) -> Iterator[SoundPiece]:
        """Add a block; yield the pieces that are complete. A time that doesn't continue the last starts a new piece."""
        if len(self._held) and abs(self._start + len(self._held) / RATE - time_seconds) > _SAME_SECONDS:
            yield from self.finish()
        if not len(self._held):
            self._start = time_seconds
        self._held = np.concatenate([self._held, samples])
        yield from self._complete()

    def finish(self) -> Iterator[SoundPiece]:
        """Yield the rest, if it is audible."""
        yield from self._complete()
        if (peaks := _peaks(self._held)).size and peaks.max() > _NO_SOUND:
            yield self._piece(len(self._held))
        self._held = np.empty(0, np.int16)

    def _complete(self) -> Iterator[SoundPiece]:
        while True:
            self._drop_silent_head()
            loud = _peaks(self._held) > _NO_SOUND
            if (end := _end_of_sound(loud)) is not None:
                yield self._piece(end * _WINDOW)
            elif len(loud) > _MOST:
                yield self._piece(_quiet_place(self._held) * _WINDOW)
            else:
                return

    def _drop_silent_head(self) -> None:
        loud = _peaks(self._held) > _NO_SOUND
        first = int(loud.argmax()) if loud.any() else len(loud)
        self._drop(max(0, first - _MARGIN) * _WINDOW)

    def _piece(self, length: int) -> SoundPiece:
        start = self._start
        samples = self._drop(length)
        return SoundPiece(round(start, 6), round(start + len(samples) / RATE, 6), _wav(samples))

    def _drop(self, length: int) -> Samples:
        dropped, self._held = self._held[:length], self._held[length:]
        self._start += len(dropped) / RATE
        return dropped


def _peaks(samples: Samples) -> NDArray[np.int32]:
    """Return the peak of each window, including an incomplete one at the end."""
    whole = len(samples) // _WINDOW * _WINDOW
    levels = np.abs(samples.astype(np.int32))
    parts = [levels[:whole].reshape(-1, _WINDOW).max(axis=1)] if whole else []
    if whole < len(samples):
        parts.append(levels[whole:].max(keepdims=True))
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _end_of_sound(loud: NDArray[np.bool_]) -> int | None:
    """Return the window where the piece ends before a second of silence, or None if there is none yet."""
    silent_for = 0
    for window, is_loud in enumerate(loud[:_MOST].tolist()):
        silent_for = 0 if is_loud else silent_for + 1
        if silent_for == _A_SECOND and window >= _A_SECOND:
            return window + 1 - _A_SECOND + _MARGIN
    return None


def _quiet_place(samples: Samples) -> int:
    """Return the quietest window in the last third of the longest piece; the later of equals."""
    windows = samples[: _MOST * _WINDOW].astype(np.float32).reshape(-1, _WINDOW)
    energy = np.convolve((windows**2).mean(axis=1), np.ones(_PAUSE), mode="same")[_EARLIEST_CUT : _MOST - _PAUSE]
    return _EARLIEST_CUT + len(energy) - 1 - int(energy[::-1].argmin())


def _wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
        file.writeframes(bytes(2 * max(0, RATE - len(samples))))  # servers refuse very short recordings
    return buffer.getvalue()
