"""Parsing of written times and ranges, shared by command line and page.

It doesn't check whether the video has a frame at a time; decoding does.
"""

import math
import re
import unicodedata

from framelens.core.domain import Notice, Selection
from framelens.core.errors import InputError
from framelens.core.units import clock

_SUBTITLE_TIME = re.compile(r"(?<![\d:.])(\d\d:[0-5]\d:[0-5]\d),(\d{3})(?![\d:.])")
"""A time as SubRip writes it, whose comma separates no times."""
_UNITS = re.compile("".join(rf"(?:([\d.]+)\s*{unit}\s*)?" for unit in ("h", "m(?:in)?", "s", "ms")), re.IGNORECASE)
"""A time with units, as addresses of videos and ffmpeg write it: 1h2m3.5s, 90s, 500ms."""
_SECONDS = (3600.0, 60.0, 1.0, 0.001)
"""Seconds of each unit; a clock has the first three."""
_CLOCK = re.compile(r"\d+(?::[0-5]?\d){1,2}(?:\.\d*)?")
_TOO_LARGE = re.compile(r"\d{1,9}(?::\d{1,9}){1,2}(?:\.\d*)?")
"""A clock with any numbers."""
_MILLISECONDS = re.compile(r"(\d+(?::[0-5]?\d){0,2}):(\d{3})")
"""A clock with a colon where a point should be."""
_MOST_GIVEN = 40
"""Characters of a text that messages quote."""


class UnreadableTimeError(ValueError):
    """Raised if a text is no time, with the `key` and `values` of a message."""

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(key, values)
        self.key, self.values = key, values


def parse_seconds(text: str) -> float:
    """Parse seconds, or a time as reports or links write it: "75.5", "1:15.5", "0:01:15.5", "1m15.5s".

    The first number of a clock may be larger than 59: "70:00" is 70 minutes.

    Raises:
        UnreadableTimeError: The text is something else.
    """
    shown = text.strip()[:_MOST_GIVEN]
    plain = unicodedata.normalize("NFKC", text).strip()
    match = _UNITS.fullmatch(plain)
    factors: tuple[float, ...] = _SECONDS
    if match and any(match.groups()):
        parts = [group or "0" for group in match.groups()]
    else:
        plain = _SUBTITLE_TIME.sub(r"\1.\2", plain)
        if ":" in plain and not _CLOCK.fullmatch(plain):
            meant = _probable_clock(plain)
            raise UnreadableTimeError("clock_unreadable" if meant else "time_unreadable", given=shown, example=meant)
        parts = plain.split(":")
        factors = _SECONDS[:3][-len(parts) :]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != len(factors) or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise UnreadableTimeError("time_unreadable", given=shown)
    return sum(number * factor for number, factor in zip(numbers, factors, strict=True))


def _probable_clock(text: str) -> str:
    """Return the probable meaning of a clock whose numbers are too large; "" for any other text."""
    if match := _MILLISECONDS.fullmatch(text):
        return f"{match[1]}.{match[2]}"
    if not _TOO_LARGE.fullmatch(text):
        return ""
    parts = text.split(":")
    seconds = sum(float(part) * factor for part, factor in zip(parts, _SECONDS[:3][-len(parts) :], strict=True))
    return clock(seconds, digits=3 if seconds % 1 else 0, form="m")


def split_times(text: str) -> list[str]:
    """Split times at commas, including Chinese commas; "00:01:02,500" of subtitles is one time."""
    plain = unicodedata.normalize("NFKC", text).replace("、", ",").strip().removesuffix(",")
    return [part.strip() for part in _SUBTITLE_TIME.sub(r"\1.\2", plain).split(",")]


def has_range(selection: Selection) -> bool:
    """Return True if the selection covers only a part of the video."""
    return bool(selection.start_seconds) or selection.end_seconds is not None


def range_notice(selection: Selection) -> Notice | None:
    """Return the notice of a report on a part of a video; None for a whole video."""
    if not has_range(selection):
        return None
    start = clock(selection.start_seconds)
    if selection.end_seconds is None:
        return Notice("range_from", {"start": start}, "info")
    return Notice("range_only", {"start": start, "end": clock(selection.end_seconds)}, "info")


def parse_range(start: str, end: str) -> tuple[float, float | None] | None:
    """Parse a range from two written times.

    Args:
        start: First time; empty for the beginning of the video.
        end: Last time; empty for the end of the video.

    Returns:
        Start and end in seconds, None for the end of the video; None instead of both for the whole video.

    Raises:
        InputError: A text is not a time, or the end doesn't come after the start.
    """
    first, last = (_parse_written(text) for text in (start, end))
    if not first and last is None:
        return None
    if last is not None and last <= (first or 0.0):
        raise InputError("range_backwards", start=start.strip() or "0", end=end.strip())
    return first or 0.0, last


def _parse_written(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return parse_seconds(text)
    except UnreadableTimeError as error:
        raise InputError(error.key, **error.values) from error
