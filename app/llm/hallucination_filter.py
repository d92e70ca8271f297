"""Filter for hallucinated segments of a speech model, which may transcribe speech where there is none.

Over silence such models (Whisper above all) repeat a sentence of their training data. Segments are judged by the
model's scores, by loudness and by repetition, never by the meaning of the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import Cue, SoundPiece

# Thresholds of OpenAI's whisper program: no_speech_threshold, logprob_threshold, compression_ratio_threshold.
_NO_SPEECH, _UNSURE, _REPETITIVE = 0.6, -1.0, 2.4
_WAV_HEADER_BYTES = 44
_SAMPLES_A_SECOND = 16_000
_NOTHING = 16.0
"""Root mean square, of 32768, below which no voice can be heard: -66 dB. Chosen by hand; not tuned."""
_QUIET_SHARE = 0.1
"""Share of the piece's loudest level below which a repeated segment is dropped. Chosen by hand; not tuned."""
_LONGEST = 1000
"""Characters of a segment that are kept. Chosen by hand; not tuned."""
_MARKS = re.compile(r"<\|[^|<>]{0,20}\|>")


@dataclass(frozen=True)
class Segment:
    """A segment of the model's answer. Times are in seconds of the piece, None for the whole of it."""

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    no_speech_probability: float | None = None
    mean_log_probability: float | None = None
    compression_ratio: float | None = None


def segments_of(answer: Mapping[str, Any]) -> list[Segment]:
    """Parse the segments of an answer, or its text as one segment. Empty segments are left out."""
    listed = answer.get("segments")
    parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    found = [_parse_segment(part) for part in parts] or [Segment(_clean_text(answer.get("text")))]
    return [segment for segment in found if segment.text]


def _parse_segment(part: Mapping[str, Any]) -> Segment:
    return Segment(
        _clean_text(part.get("text")),
        _finite_number(part.get("start")),
        _finite_number(part.get("end")),
        _finite_number(part.get("no_speech_prob")),
        _finite_number(part.get("avg_logprob")),
        _finite_number(part.get("compression_ratio")),
    )


def _clean_text(value: object) -> str:
    return " ".join(_MARKS.sub(" ", value).split())[:_LONGEST] if isinstance(value, str) else ""


def _finite_number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]  # mypy does not see through the flag


class HallucinationFilter:
    """Filter for the segments of one recording, piece by piece in time order: repeats are of the last kept segment."""

    def __init__(self) -> None:
        self._last = ""

    def filter(self, piece: SoundPiece, segments: list[Segment]) -> tuple[tuple[Cue, ...], int]:
        """Return the credible segments as cues on the recording's time axis, and the number of dropped ones."""
        levels = _levels(piece)
        cues = []
        for segment in segments:
            start, end = _bounds(segment, piece)
            if end > start and not self._is_hallucinated(segment, _level(levels, start, end), levels):
                cues.append(
                    Cue(round(piece.start_seconds + start, 3), round(piece.start_seconds + end, 3), segment.text)
                )
                self._last = segment.text
        return tuple(sorted(cues, key=lambda cue: cue.start_seconds)), len(segments) - len(cues)

    def _is_hallucinated(self, segment: Segment, level: float, levels: NDArray[np.float64]) -> bool:
        if level < _NOTHING:
            return True
        if (segment.no_speech_probability or 0.0) > _NO_SPEECH and (segment.mean_log_probability or 0.0) < _UNSURE:
            return True
        if (segment.compression_ratio or 0.0) > _REPETITIVE:
            return True
        return segment.text == self._last and level < _QUIET_SHARE * float(levels.max())


def _bounds(segment: Segment, piece: SoundPiece) -> tuple[float, float]:
    """Return [start, end) within the piece; empty for a segment in the silence that pads a short piece."""
    length = piece.end_seconds - piece.start_seconds
    start = min(max(segment.start_seconds or 0.0, 0.0), length)
    end = length if segment.end_seconds is None else min(max(segment.end_seconds, 0.0), length)
    if end <= start < length and segment.start_seconds == segment.end_seconds:
        end = length  # an end that the model did not reach
    return start, end


def _levels(piece: SoundPiece) -> NDArray[np.float64]:
    """Compute the root mean square of each tenth of a second, at least one."""
    samples = np.frombuffer(piece.wav[_WAV_HEADER_BYTES:], "<i2").astype(np.float64)
    tenth = _SAMPLES_A_SECOND // 10
    samples = np.pad(samples, (0, -len(samples) % tenth or (0 if len(samples) else tenth)))
    levels: NDArray[np.float64] = np.sqrt((samples.reshape(-1, tenth) ** 2).mean(axis=1))
    return levels


def _level(levels: NDArray[np.float64], start: float, end: float) -> float:
    """Return the highest level in [start, end) seconds."""
    first = min(int(start * 10), len(levels) - 1)
    return float(levels[first : max(first + 1, math.ceil(end * 10))].max())
