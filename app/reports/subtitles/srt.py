"""Subtitles as SubRip (.srt): what is seen, or what is said. The format has no place for remarks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.domain import Analysis, Cue, Language
from app.reports.subtitles.cues import blocks, heard, seen

_LETTERS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""Players take these for tags and codes, and the format knows no way to escape them."""
_TIME = re.compile(r"(:\d{1,2})[.,](?=\d)")
"""Some readers take every line with two such times for the beginning of a cue."""


def write(analysis: Analysis, language: Language) -> bytes:
    """The findings, in UTF-8 with the line ends of Windows. Empty where there are none."""
    return _file(seen(analysis, language))


def write_transcript(analysis: Analysis, _: Language) -> bytes:
    """What is said, as `write`."""
    return _file(heard(analysis))


def _file(cues: Iterable[Cue]) -> bytes:
    return "\n".join(blocks(cues, point=",", escaped=_escaped)).replace("\n", "\r\n").encode()


def _escaped(text: str) -> str:
    return _TIME.sub(r"\1․", text.translate(_LETTERS))
