"""Moments as files of reports name them: one of the video as an address, that of the analysis as a date."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from urllib.parse import quote

from app.file_names import shown_name
from app.reports.content.plain_text import printable


def address(video_name: str, seconds: float) -> str:
    """A relative address with a media fragment (W3C Media Fragments URI 1.0, section 4.2.1), such as
    "./clip.mp4#t=1.500": it opens the video where that lies beside the report.
    """
    return f"./{quote(printable(shown_name(video_name)))}#t={seconds:.3f}"


def date_of(created: str) -> datetime | None:
    """With a time zone, UTC where none is named; None where a report of another hand says something that is no time."""
    try:
        made = datetime.fromisoformat(created)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def local_minute(created: str, zone: tzinfo | None = None) -> str:
    """Return a stored time for people, such as "2026-11-21 23:03".

    Args:
        created: An ISO time, in UTC where it names no time zone. What is no time comes back as it is.
        zone: The reader's time zone, None for that of this machine.
    """
    made = date_of(created)
    try:
        return f"{made.astimezone(zone):%Y-%m-%d %H:%M}" if made else created
    except (OverflowError, ValueError, OSError):  # the first and the last day of the calendar
        return created
