"""Markers for DaVinci Resolve: a CMX 3600 EDL as it writes and reads them ("Import > Timeline Markers from EDL").

Each is an event of one frame; the line under it begins with the note, and "|" parts colour, name and length.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain import Analysis, Language
from app.reports.content.plain_text import shortened
from app.reports.timeline.markers import COLOURS, Marker, markers_of
from app.reports.timeline.timecode import Rate, first_frame, rate_of, timecode

_LONGEST_TITLE = 70


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8. Timecodes are those of a timeline that begins at 01:00:00:00. What must be known stands in the first
    marker: the format's own comments would end up in the notes of others.
    """
    rate = rate_of(analysis.video, analysis.decode)
    return "\n".join(_lines(analysis, language, rate)).encode()


def _lines(analysis: Analysis, language: Language, rate: Rate) -> Iterator[str]:
    yield f"TITLE: {shortened(analysis.video.name, _LONGEST_TITLE)}"
    yield f"FCM: {'DROP FRAME' if rate.drops else 'NON-DROP FRAME'}"
    yield ""
    for number, marker in enumerate(markers_of(analysis, language, rate), start=1):
        start, end = (timecode(first_frame(rate) + frame, rate) for frame in (marker.frame, marker.frame + 1))
        yield f"{number:03d}  001      V     C        {start} {end} {start} {end}"
        yield f"{_note(marker)} |C:ResolveColor{COLOURS[marker.kind]} |M:{_harmless(marker.name)} |D:1"
        yield ""


def _note(marker: Marker) -> str:
    """A note that began with a digit would look like an event."""
    note = _harmless(marker.note)
    return f"- {note}" if note[:1].isdigit() else note


def _harmless(text: str) -> str:
    return text.replace("|", "¦")
