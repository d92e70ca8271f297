"""Sizes in bytes and clock times as text, the same in every language, and the time left at a measured rate."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import floor
from typing import Literal

GIB = 1024**3
"""Bytes of a gibibyte, in which memory is counted."""


def human_size(size_bytes: float) -> str:
    """Format the size of a file, a download or a disk in powers of 1000, as the hub does.

    >>> human_size(812_000), human_size(16_580_000_000)
    ('812 kB', '16.6 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5:
            decimals = 1 if unit in ("MB", "GB") and size_bytes < 99.95 else 0
            return f"{size_bytes:.{decimals}f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def gib_number(size_bytes: float, *, digits: int = 1) -> str:
    """Format an amount of memory in GiB, without the unit."""
    return f"{size_bytes / GIB:.{digits}f}"


def gib_text(size_bytes: float, *, digits: int = 1) -> str:
    """Format an amount of memory in GiB."""
    return f"{gib_number(size_bytes, digits=digits)} GiB"


def foreign_number(value: object, *, least: float = 0.0, most: float = 1e9) -> float | None:
    """Return a number of somebody else's JSON if it lies within the limits, else None.

    Pages, servers and files write NaN, Infinity, integers of any length, and numbers as text.

    >>> foreign_number(12), foreign_number("12.5"), foreign_number(float("nan")), foreign_number(10**400)
    (12.0, 12.5, None, None)
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and least <= value <= most else None  # type: ignore[operator,arg-type]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, for a repr: "1 frame", "2 frames"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def floored(seconds: float, digits: int) -> float:
    """Return a time cut off after some decimals, so that it never names a second that hasn't begun."""
    steps = 10.0**digits
    return floor(round(seconds * steps, 6)) / steps


def rounded_time(seconds: float) -> float:
    """Return a time in whole microseconds, as files and answers state it.

    >>> rounded_time(0.48000000000000004), rounded_time(1001 / 30000)
    (0.48, 0.033367)
    """
    return round(seconds, 6)


def seconds_left(elapsed_seconds: float, done: float, total: float) -> float | None:
    """Return the seconds until all is done, at the rate so far; None if nothing is done or more than there is.

    >>> seconds_left(10.0, 2, 8)
    30.0
    """
    return extrapolated_seconds(elapsed_seconds, done, total - done) if done <= total else None


def extrapolated_seconds(seconds: float, work: float, other_work: float) -> float | None:
    """Return the seconds that other work takes if it is as fast as the work that took `seconds`; None without work.

    >>> extrapolated_seconds(10.0, 2, 6), extrapolated_seconds(0.0, 0, 6)
    (30.0, None)
    """
    return seconds * other_work / work if work > 0 else None


def clock(seconds: float, *, digits: int = 3, form: Literal["m", "mm", "hh"] = "mm", point: str = ".") -> str:
    """Format a time as minutes and seconds, and from an hour on with hours before them.

    Args:
        seconds: The time, rounded to `digits` decimals.
        digits: Decimals of the seconds.
        form: Begin a time below an hour with minutes of at least one or of two digits, or with two digits of hours.
        point: Separator of the decimals.

    >>> clock(4.5), clock(4.5, digits=0, form="m"), clock(3604.5), clock(4.5, form="hh", point=",")
    ('00:04.500', '0:04', '1:00:04.500', '00:00:04,500')
    """
    total, fraction = divmod(round(seconds * 10**digits), 10**digits)
    minutes, second = divmod(total, 60)
    hours, minute = divmod(minutes, 60)
    tail = f"{second:02d}{point}{fraction:0{digits}d}" if digits else f"{second:02d}"
    if form == "hh":
        return f"{hours:02d}:{minute:02d}:{tail}"
    return f"{hours}:{minute:02d}:{tail}" if hours else f"{minute:0{len(form)}d}:{tail}"


def date_of(created: str) -> datetime | None:
    """Parse an ISO time, in UTC if it has no time zone. Return None if it is not a time."""
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


_HAN_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN_POWERS = {"十": 10, "百": 100, "千": 1000}
HAN_NUMERALS = "".join((*_HAN_DIGITS, *_HAN_POWERS, "万"))
"""Signs of Chinese numbers below a hundred million."""


def han_number(numerals: str) -> int:
    """Return the value of a Chinese number below a hundred million.

    >>> han_number("十二"), han_number("三十"), han_number("一百零五"), han_number("三万二千")
    (12, 30, 105, 32000)
    """
    number = section = digit = 0
    for sign in numerals:
        if sign in _HAN_DIGITS:
            digit = _HAN_DIGITS[sign]
        elif sign in _HAN_POWERS:
            section, digit = section + (digit or 1) * _HAN_POWERS[sign], 0
        else:
            number, section, digit = (section + digit or 1) * 10_000, 0, 0
    return number + section + digit


def retry_after(header: str | None) -> float | None:
    """Parse a Retry-After header, a number or a date (RFC 9110, 10.2.3), into seconds; None if absent or invalid."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
