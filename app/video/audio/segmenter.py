"""From running sound to pieces: cut where it is quiet, nothing kept where there is no sound at all. Decodes nothing."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.core.domain import SoundPiece

RATE = 16_000
"""Samples a second, of one channel and 16 bit: what speech models take."""
MOST_SECONDS = 30
Samples = NDArray[np.int16]

_WINDOW = RATE // 50
_A_SECOND = 50
_MOST = MOST_SECONDS * _A_SECOND
_EARLIEST_CUT = 20 * _A_SECOND
_MARGIN = _A_SECOND // 5
"""How much silence stays around sound: a word's beginning may be softer than what counts as sound."""
_PAUSE = 15
"""Windows that must be quiet together for a good place to cut: the gap between two words is not one."""
_NO_SOUND = 4
"""Peak, of 32768, that nobody can hear; lossy codecs give such values for silence."""
_SAME_SECONDS = 0.002


class AudioSegmenter:
    """`push` what is decoded, in order; `finish` gives the last piece. Holds some 30 s at most."""

    def __init__(self) -> None:
        self._held: Samples = np.empty(0, np.int16)
        self._start = 0.0

    def push(self, time_seconds: float, samples: Samples) -> Iterator[SoundPiece]:
        """Pieces that are complete now. A time that does not follow on begins a new one."""
        if len(self._held) and abs(self._start + len(self._held) / RATE - time_seconds) > _SAME_SECONDS:
            yield from self.finish()
        if not len(self._held):
            self._start = time_seconds
        self._held = np.concatenate([self._held, samples])
        yield from self._complete()

    def finish(self) -> Iterator[SoundPiece]:
        """What is left, if anything can be heard in it."""
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
    """The peak of each whole window; of what is less than a window at the end, its own."""
    whole = len(samples) // _WINDOW * _WINDOW
    levels = np.abs(samples.astype(np.int32))
    parts = [levels[:whole].reshape(-1, _WINDOW).max(axis=1)] if whole else []
    if whole < len(samples):
        parts.append(levels[whole:].max(keepdims=True))
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _end_of_sound(loud: NDArray[np.bool_]) -> int | None:
    """Where the piece ends because a second without sound follows; None where there is no such second yet."""
    silent_for = 0
    for window, is_loud in enumerate(loud[:_MOST].tolist()):
        silent_for = 0 if is_loud else silent_for + 1
        if silent_for == _A_SECOND and window >= _A_SECOND:
            return window + 1 - _A_SECOND + _MARGIN
    return None


def _quiet_place(samples: Samples) -> int:
    """The window in the last third of the longest piece around which it is quietest; the later of equals."""
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
        file.writeframes(bytes(2 * max(0, RATE - len(samples))))  # servers refuse the shortest of recordings
    return buffer.getvalue()
