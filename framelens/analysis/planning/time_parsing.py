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
_CLOCK_IN_TEXT = r"(?<![\d:.])\d{1,3}(?::[0-5]\d){1,2}(?:\.\d+)?(?!:?\d|\s?[ap]\.?m\b)"
_UNIT_IN_TEXT = r"(?:hours?|h|minutes?|min|seconds?|secs?|s)\b|小时|分钟?|秒"
_TIME_IN_TEXT = rf"(?:{_CLOCK_IN_TEXT}|(?:\d+(?:\.\d+)?\s?(?:{_UNIT_IN_TEXT})\s?)+)"
_START_IN_TEXT = rf"(?P<start>{_TIME_IN_TEXT}|\d+(?:\.\d+)?)\s*"
_END_IN_TEXT = rf"(?P<end>{_TIME_IN_TEXT})"
_RANGES_IN_TEXT = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"\bbetween\s+{_START_IN_TEXT}and\s+{_END_IN_TEXT}",
        rf"(?:\bfrom\s+)?{_START_IN_TEXT}(?:to|until|till|[-–—~])\s*{_END_IN_TEXT}",
        rf"[从在]?\s*第?\s*{_START_IN_TEXT}(?:[到至]|和(?=.*之间))\s*第?\s*{_END_IN_TEXT}\s*(?:这段时间|之间|期间|以?内)?",
        rf"(?:\b(?:in|during|within)\s+)?\bthe\s+first\s+{_END_IN_TEXT}|(?<![以之])前\s*(?P<until>{_TIME_IN_TEXT})(?:以?内)?",
        # One end alone is a clock: a number with a unit may be the time from something else.
        rf"\b(?:after|since)\s+\(?(?P<start>{_CLOCK_IN_TEXT})\)?",
        rf"\bfrom\s+(?P<start>{_CLOCK_IN_TEXT})\s+(?:on(?:wards?)?|to\s+the\s+end)\b",
        rf"[从在]?\s*[(（]?(?P<start>{_CLOCK_IN_TEXT})[)）]?\s*(?:[之以往]后|[起开]始?|[到至](?:结尾|结束|最后))",
        rf"\b(?:before|until|till|up\s+to)\s+\(?(?P<end>{_CLOCK_IN_TEXT})\)?",
        rf"在?\s*[(（]?(?P<end>{_CLOCK_IN_TEXT})[)）]?\s*(?:[之以]前|为止)",
    )
)
_MOMENTS_IN_TEXT = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"\b(?:at|around|near)\s+(?:about\s+|the\s+)?(?P<moment>{_TIME_IN_TEXT})",
        r"\bat\s+(?P<unit>second|minute)\s+(?P<moment>\d+(?:\.\d+)?)\b",
        rf"(?:^|在|视频)\s*(?P<moment>{_CLOCK_IN_TEXT})(?=\s*[\u4e00-\u9fff])(?!\s*[前后到至])",
        r"第\s*(?P<moment>(?:\d+\s?分钟?\s?)?\d+(?:\.\d+)?\s?秒)",
    )
)
_AROUND_SECONDS = 2.0
"""A moment in a question is looked at from so long before it to so long after it: people round what a player shows.
Chosen by hand."""
_UNITS_BY_WORD = (("hours?|小时", "h"), ("min(?:utes?)?|分钟?", "m"), ("sec(?:ond)?s?|秒", "s"))
_QUOTED = re.compile(r"[\"“「『][^\"”」』]*[\"”」』]")
_MOST_GIVEN = 40
"""Characters of a text that messages quote."""


class UnreadableTimeError(ValueError):
    """Raised if a text is no time; `key` and `values` are those of a message."""

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(key, values)
        self.key, self.values = key, values


def parse_seconds(text: str) -> float:
    """Parse seconds, or a time as reports or links write it: "75.5", "1:15.5", "0:01:15.5", "1m15.5s".

    The first number of a clock may be larger than 59: "70:00" is 70 minutes.

    Raises:
        UnreadableTimeError: The text is something else.
    """
    given = text.strip()[:_MOST_GIVEN]
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _UNITS.fullmatch(plain)
    factors: tuple[float, ...] = _SECONDS
    if found and any(found.groups()):
        parts = [one or "0" for one in found.groups()]
    else:
        plain = _SUBTITLE_TIME.sub(r"\1.\2", plain)
        if ":" in plain and not _CLOCK.fullmatch(plain):
            meant = _meant_by(plain)
            raise UnreadableTimeError("clock_unreadable" if meant else "time_unreadable", given=given, example=meant)
        parts = plain.split(":")
        factors = _SECONDS[:3][-len(parts) :]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != len(factors) or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise UnreadableTimeError("time_unreadable", given=given)
    return sum(number * factor for number, factor in zip(numbers, factors, strict=True))


def _meant_by(text: str) -> str:
    """Return what a clock whose numbers are too large probably means; "" if it is none."""
    if found := _MILLISECONDS.fullmatch(text):
        return f"{found[1]}.{found[2]}"
    if not _TOO_LARGE.fullmatch(text):
        return ""
    parts = text.split(":")
    seconds = sum(float(part) * factor for part, factor in zip(parts, _SECONDS[:3][-len(parts) :], strict=True))
    return clock(seconds, digits=3 if seconds % 1 else 0, form="m")


def split_times(text: str) -> list[str]:
    """Split times at commas, Chinese ones included; "00:01:02,500" of subtitles is one time."""
    plain = unicodedata.normalize("NFKC", text).replace("、", ",").strip().removesuffix(",")
    return [part.strip() for part in _SUBTITLE_TIME.sub(r"\1.\2", plain).split(",")]


def range_in_text(text: str) -> tuple[float, float | None, str] | None:
    """Return the range of a video that a question names, and the question without it; None if it names none.

    What is quoted doesn't count, as it may be writing in the video.

    >>> range_in_text("How often is it red between 0:10 and 0:20?")
    (10.0, 20.0, 'How often is it red ?')

    Returns:
        Start and end in seconds, None for the end of the video; and the rest of the text.
    """
    plain = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)
    for wording in _RANGES_IN_TEXT:
        if found := wording.search(plain):
            named = {"start": None, "end": None, "until": None} | found.groupdict()
            last = named["end"] or named["until"]
            start, end = _in_text(named["start"] or "0", last or ""), _in_text(last) if last else None
            if end is None or start < end:
                return start, end, (text[: found.start()] + text[found.end() :]).strip(" ,，")
    return None


def moment_in_text(text: str) -> tuple[float, float] | None:
    """Return the start and the end, in seconds, of what is around the moment that a question names; None without one.

    It is the only time in the question, and nothing that is quoted.

    >>> moment_in_text("What happens at 0:15?")
    (13.0, 17.0)
    """
    plain = _QUOTED.sub("", text)
    if len(re.findall(_TIME_IN_TEXT, plain, re.IGNORECASE)) > 1:
        return None
    for wording in _MOMENTS_IN_TEXT:
        if found := wording.search(plain):
            seconds = _in_text(found["moment"] + found.groupdict().get("unit", ""))
            return max(0.0, seconds - _AROUND_SECONDS), seconds + _AROUND_SECONDS
    return None


def _in_text(time: str, next_one: str = "") -> float:
    """Return the seconds of a time in a text; a bare number has the unit of the next time."""
    time, next_one = time.lower(), next_one.lower()
    for word, unit in _UNITS_BY_WORD:
        time, next_one = re.sub(word, unit, time), re.sub(word, unit, next_one)
    unit = next_one.strip()[-1:] if time.strip().replace(".", "", 1).isdecimal() else ""
    return parse_seconds(time + (unit if unit.isalpha() else ""))


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
    first, last = (_written(text) for text in (start, end))
    if not first and last is None:
        return None
    if last is not None and last <= (first or 0.0):
        raise InputError("range_backwards", start=start.strip() or "0", end=end.strip())
    return first or 0.0, last


def _written(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return parse_seconds(text)
    except UnreadableTimeError as error:
        raise InputError(error.key, **error.values) from error
