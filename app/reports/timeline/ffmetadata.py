"""Chapters in the form that FFmpeg puts into a video:

ffmpeg -i VIDEO -i FILE -map 0 -map_metadata 0 -map_chapters 1 -codec copy OUTPUT
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from app.domain import Analysis, Chapter, Language
from app.reports.content.ai_disclosure import aigc_text
from app.reports.content.single_line_text import remarks
from app.reports.timeline.chapters import are_told, chapters_of

_SPECIAL = re.compile(r"([=;#\\\n])")
_UNITS = 1_000_000
"""A second has so many: a chapter must not begin before its frame."""


def fits(analysis: Analysis) -> bool:
    """Whether there are chapters."""
    return bool(chapters_of(analysis, "en"))


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8. Remarks are comments, which FFmpeg does not put into the video: it is not the video that was generated."""
    told = (*remarks(analysis, language), aigc_text(analysis)) if are_told(analysis) else ()
    lines = [";FFMETADATA1", *(f"; {remark} " for remark in told if remark)]  # a backslash at the end would go on
    return "\n".join([*lines, *_sections(chapters_of(analysis, language)), ""]).encode()


def _sections(chapters: Iterable[Chapter]) -> Iterator[str]:
    for chapter in chapters:
        start, end = (round(seconds * _UNITS) for seconds in (chapter.start_seconds, chapter.end_seconds))
        yield "[CHAPTER]"
        yield f"TIMEBASE=1/{_UNITS}"
        yield f"START={start}"
        yield f"END={max(end, start + 1)}"
        yield f"title={escape(chapter.title)}"


def escape(text: str) -> str:
    """A value with a backslash before each character that means something. A backslash at the end gets a blank behind
    it: FFmpeg takes every one before a line end as one that goes on.
    """
    escaped = _SPECIAL.sub(r"\\\1", text)
    return f"{escaped} " if escaped.endswith("\\") else escaped
