"""Which of a speech model's segments are to be believed: such models go on talking where nobody does.

What is known of them (Whisper above all): over silence they say a sentence of their training again and again. Nothing
is judged by what it says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.domain import Cue, SoundPiece

# What Whisper's own program takes for no speech, and for text that goes round in circles.
_NO_SPEECH, _UNSURE, _CIRCLES = 0.6, -1.0, 2.4
_WAV_HEADER_BYTES = 44
_SAMPLES_A_SECOND = 16_000
_NOTHING = 16.0
"""Root mean square, of 32768, below which nobody can be heard: -66 dB."""
_QUIET_SHARE = 0.1
"""Of how loud the piece is where it is loud."""
_LONGEST = 1000
_MARKS = re.compile(r"<\|[^|<>]{0,20}\|>")


@dataclass(frozen=True)
class Segment:
    """What the model says of a part of a piece, in seconds of the piece; None for the whole of it."""

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    no_speech: float | None = None
    sureness: float | None = None
    circling: float | None = None


def segments_of(answer: Mapping[str, Any]) -> list[Segment]:
    """The segments of an answer; its text as one where it has none. Those without words are left out."""
    listed = answer.get("segments")
    parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    found = [_segment(part) for part in parts] or [Segment(_words(answer.get("text")))]
    return [segment for segment in found if segment.text]


def _segment(part: Mapping[str, Any]) -> Segment:
    return Segment(
        _words(part.get("text")),
        _number(part.get("start")),
        _number(part.get("end")),
        _number(part.get("no_speech_prob")),
        _number(part.get("avg_logprob")),
        _number(part.get("compression_ratio")),
    )


def _words(value: object) -> str:
    return " ".join(_MARKS.sub(" ", value).split())[:_LONGEST] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]  # mypy does not see through the flag


class Sieve:
    """`believed` is called with the pieces in time order: a repeat is one of what was said last."""

    def __init__(self) -> None:
        self._last = ""

    def believed(self, piece: SoundPiece, segments: list[Segment]) -> tuple[tuple[Cue, ...], int]:
        """The cues on the axis of the piece, within its bounds, and how many were left out."""
        levels = _levels(piece)
        cues = []
        for segment in segments:
            start, end = _bounds(segment, piece)
            if end > start and not self._is_made_up(segment, _level(levels, start, end), levels):
                cues.append(
                    Cue(round(piece.start_seconds + start, 3), round(piece.start_seconds + end, 3), segment.text)
                )
                self._last = segment.text
        return tuple(sorted(cues, key=lambda cue: cue.start_seconds)), len(segments) - len(cues)

    def _is_made_up(self, segment: Segment, level: float, levels: NDArray[np.float64]) -> bool:
        if level < _NOTHING:
            return True
        if (segment.no_speech or 0.0) > _NO_SPEECH and (segment.sureness or 0.0) < _UNSURE:
            return True
        if (segment.circling or 0.0) > _CIRCLES:
            return True
        return segment.text == self._last and level < _QUIET_SHARE * float(levels.max())


def _bounds(segment: Segment, piece: SoundPiece) -> tuple[float, float]:
    """(start, end) within the piece; a segment that lies in the silence added to a short piece has no length."""
    length = piece.end_seconds - piece.start_seconds
    start = min(max(segment.start_seconds or 0.0, 0.0), length)
    end = length if segment.end_seconds is None else min(max(segment.end_seconds, 0.0), length)
    if end <= start < length and segment.start_seconds == segment.end_seconds:
        end = length  # an end that the model did not get to
    return start, end


def _levels(piece: SoundPiece) -> NDArray[np.float64]:
    """The root mean square of each tenth of a second; one at least."""
    samples = np.frombuffer(piece.wav[_WAV_HEADER_BYTES:], "<i2").astype(np.float64)
    tenth = _SAMPLES_A_SECOND // 10
    samples = np.pad(samples, (0, -len(samples) % tenth or (0 if len(samples) else tenth)))
    levels: NDArray[np.float64] = np.sqrt((samples.reshape(-1, tenth) ** 2).mean(axis=1))
    return levels


def _level(levels: NDArray[np.float64], start: float, end: float) -> float:
    """How loud it is at the loudest of [start, end)."""
    first = min(int(start * 10), len(levels) - 1)
    return float(levels[first : max(first + 1, math.ceil(end * 10))].max())
