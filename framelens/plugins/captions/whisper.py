"""Readers of what Whisper and programs around it write beside SubRip and WebVTT: JSON and TSV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from framelens.plugin.subtitles import Timed, Unread, cue_text
from framelens.plugin.texts import foreign_number


def read_whisper_json(text: str, *_: object) -> Iterator[Timed | Unread]:
    """Yield the segments of Whisper, WhisperX and OpenAI's API, of whisper.cpp, or of Transformers' pipelines.

    Raises:
        ValueError: It is no JSON, or none of these forms.
    """
    document = json.loads(text)
    try:
        kind = next(key for key in _SEGMENTS if key in document)
        segments = [_SEGMENTS[kind](segment) for segment in document[kind]]
    except (StopIteration, TypeError, KeyError, ValueError) as error:
        raise ValueError("segments") from error
    yield from segments


def _segment(segment: dict[str, Any]) -> Timed:
    return _seconds(segment["start"]), _seconds(segment["end"] or 0), cue_text(segment["text"])


def _of_milliseconds(segment: dict[str, Any]) -> Timed:
    start, end = segment["offsets"]["from"], segment["offsets"]["to"]
    return _seconds(start) / 1000, _seconds(end) / 1000, cue_text(segment["text"])


def _of_pair(segment: dict[str, Any]) -> Timed:
    start, end = segment["timestamp"]
    return _seconds(start), _seconds(end or 0), cue_text(segment["text"])


def _seconds(value: object) -> float:
    if (number := foreign_number(value, least=-1e9)) is None:
        raise ValueError("segments")
    return number


_SEGMENTS = {"segments": _segment, "transcription": _of_milliseconds, "chunks": _of_pair}
"""Names of the lists of segments, and the readers of a segment."""


def read_whisper_tsv(text: str, *_: object) -> Iterator[Timed | Unread]:
    """Yield the lines of a table of start, end, both in milliseconds, and text, below a line with these names."""
    for number, line in enumerate(text.splitlines()[1:], 2):
        try:
            start, end, caption = line.split("\t", 2)
            yield int(start) / 1000, int(end) / 1000, cue_text(caption)
        except ValueError:
            if line.strip():
                yield Unread(number, line)
