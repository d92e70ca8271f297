"""Markers for DaVinci Resolve as a CMX 3600 EDL, which it imports with "Import > Timeline Markers from EDL".

Each marker is an event of one frame; the line under it begins with the note, and "|" separates colour, name and length.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.domain import Analysis, Language
from app.reports.content.plain_text import shortened
from app.reports.timeline.markers import COLOURS, Marker, markers_of
from app.reports.timeline.timecode import Rate, first_frame, rate_of, timecode

_LONGEST_TITLE = 70  # characters; chosen by hand, not tuned


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the EDL in UTF-8, with timecodes of a timeline that begins at 01:00:00:00.

    Remarks are in the first marker, because comments of the format would become part of other markers' notes.
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
        yield f"{_note(marker)} |C:ResolveColor{COLOURS[marker.kind]} |M:{_escape(marker.name)} |D:1"
        yield ""


def _note(marker: Marker) -> str:
    """Return a marker's note; one that begins with a digit would look like an event and gets a dash."""
    note = _escape(marker.note)
    return f"- {note}" if note[:1].isdigit() else note


def _escape(text: str) -> str:
    return text.replace("|", "¦")
