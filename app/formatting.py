"""Stored times in the time zone of the reader's browser."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from framelens.reports.content.labels import local_minute


def local_time(created: str) -> str:
    """Return a stored time in the time zone of the reader's browser, to the minute."""
    return local_minute(created, _zone())


def short_time(created: str) -> str:
    """Return the time of day of a stored time of today, else its date, for where little fits."""
    day, time = local_time(created).split(" ", 1)
    return time if local_time(datetime.now(UTC).isoformat()).startswith(day) else day


def _zone() -> tzinfo | None:
    """Return the browser's time zone, or None for this machine's where no browser is connected."""
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else None
    except (ZoneInfoNotFoundError, ValueError):  # Windows knows no names without the package tzdata
        minutes = st.context.timezone_offset or 0  # minutes that UTC is ahead, as in JavaScript
        return timezone(timedelta(minutes=-minutes))
