"""Times that a question names: a range of the video, or a moment. Quoted times may be writing in the video."""

import re

from framelens.analysis.planning.time_parsing import parse_seconds
from framelens.core.units import HAN_NUMERALS, han_number

_CLOCK_IN_TEXT = r"(?<![\d:.])\d{1,3}(?::[0-5]\d){1,2}(?:\.\d+)?(?!:?\d|\s?[ap]\.?m\b)"
_UNIT_IN_TEXT = r"(?:hours?|h|minutes?|min|seconds?|secs?|s)\b|小时|分钟?|秒"
TIME_IN_TEXT = rf"(?:{_CLOCK_IN_TEXT}|(?:\d+(?:\.\d+)?\s?(?:{_UNIT_IN_TEXT})\s?)+)"
_SECOND_IN_HAN = r"(?:\d+\s?分钟?\s?)?\d+(?:\.\d+)?\s?秒"
_POINT_IN_HAN = rf"(?:{_CLOCK_IN_TEXT}|(?<=第){_SECOND_IN_HAN}|(?<=第 ){_SECOND_IN_HAN})"
_START_IN_TEXT = rf"(?P<start>{TIME_IN_TEXT}|\d+(?:\.\d+)?)\s*"
_END_IN_TEXT = rf"(?P<end>{TIME_IN_TEXT})"
_RANGES_IN_TEXT = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"\bbetween\s+{_START_IN_TEXT}and\s+{_END_IN_TEXT}",
        rf"(?:\bfrom\s+)?{_START_IN_TEXT}(?:to|until|till|[-–—~])\s*{_END_IN_TEXT}",
        rf"[从在]?\s*第?\s*{_START_IN_TEXT}(?:[到至]|和(?=.*之间))\s*第?\s*{_END_IN_TEXT}\s*(?:这段时间|之间|期间|以?内)?",
        rf"(?:\b(?:in|during|within)\s+)?\bthe\s+first\s+{_END_IN_TEXT}|(?<![以之])前\s*(?P<until>{TIME_IN_TEXT})(?:以?内)?",
        # One end alone is a clock: a number with a unit may be the time from something else.
        rf"\b(?:after|since)\s+\(?(?P<start>{_CLOCK_IN_TEXT})\)?",
        rf"\bfrom\s+(?P<start>{_CLOCK_IN_TEXT})\s+(?:on(?:wards?)?|(?:to|until|till)\s+the\s+end(?:\s+of\s+the\s+video)?)\b",
        rf"[从在]?\s*[(（]?(?:第\s*)?(?P<start>{_POINT_IN_HAN})[)）]?\s*(?:[之以往]后|[起开]始?|[到至](?:结尾|结束|最后))",
        rf"\b(?:before|until|till|up\s+to)\s+\(?(?P<end>{_CLOCK_IN_TEXT})\)?",
        rf"在?\s*[(（]?(?:第\s*)?(?P<end>{_POINT_IN_HAN})[)）]?\s*(?:[之以]前|为止)",
    )
)
_MOMENTS_IN_TEXT = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"\b(?:at|around|near)\s+(?:about\s+|the\s+)?(?P<moment>{TIME_IN_TEXT})",
        r"\bat\s+(?P<unit>second|minute)\s+(?P<moment>\d+(?:\.\d+)?)\b",
        rf"(?:^|在|视频|(?<=[，。？！,?!]))\s*(?P<moment>{_CLOCK_IN_TEXT})(?=\s*[\u4e00-\u9fff])(?!\s*[前后到至])\s*(?:的?时候?)?",
        rf"在?\s*第\s*(?P<moment>{_SECOND_IN_HAN})\s*(?:的?时候?)?",
    )
)
AROUND_SECONDS = 2.0
"""A moment in a question is looked at from so long before it to so long after it: people round what a player shows."""
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS_IN_WORDS = dict(zip(_NUMBERS, range(1, 13), strict=True)) | {
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50, "sixty": 60, "ninety": 90,
}  # fmt: skip
_NUMBER_IN_WORDS = re.compile(
    rf"\b(?:{'|'.join(sorted(_NUMBERS_IN_WORDS, key=len, reverse=True))})(?=\s+(?:{_UNIT_IN_TEXT}))"
    rf"|[{HAN_NUMERALS}]+(?=(?:小时|分钟|秒|分[{HAN_NUMERALS}\d]+秒))",
    re.IGNORECASE,
)
_UNITS_BY_WORD = (("hours?|小时", "h"), ("min(?:utes?)?|分钟?", "m"), ("sec(?:ond)?s?|秒", "s"))
_QUOTED = re.compile(r"[\"“「『][^\"”」』]*[\"”」』]")


def range_in_text(text: str) -> tuple[float, float | None, str] | None:
    """Return the range of a video that a question names, and the question without it; None without a range.

    >>> range_in_text("How often is it red between 0:10 and 0:20?")
    (10.0, 20.0, 'How often is it red ?')

    Returns:
        Start and end in seconds, None for the end of the video; and the rest of the text.
    """
    text = with_digits(text)
    plain = without_quoted(text)
    for wording in _RANGES_IN_TEXT:
        if found := wording.search(plain):
            named = {"start": None, "end": None, "until": None} | found.groupdict()
            last = named["end"] or named["until"]
            start, end = seconds_in_text(named["start"] or "0", last or ""), seconds_in_text(last) if last else None
            if end is None or start < end:
                return start, end, rest_of(text, found)
    return None


def moment_in_text(text: str) -> tuple[float, float, str] | None:
    """Return the range around the moment that a question names, and the question without it; None without a moment.

    The moment must be the only time in the question.

    >>> moment_in_text("What happens at 0:15?")
    (13.0, 17.0, 'What happens ?')

    Returns:
        Start and end in seconds; and the rest of the text.
    """
    text = with_digits(text)
    plain = without_quoted(text)
    if len(re.findall(TIME_IN_TEXT, plain, re.IGNORECASE)) > 1:
        return None
    for wording in _MOMENTS_IN_TEXT:
        if found := wording.search(plain):
            seconds = seconds_in_text(found["moment"] + found.groupdict().get("unit", ""))
            return max(0.0, seconds - AROUND_SECONDS), seconds + AROUND_SECONDS, rest_of(text, found)
    return None


def with_digits(text: str) -> str:
    """Return the text with the numbers of times in digits: "ten seconds", 十二秒, 半分钟."""
    text = re.sub(r"\bhalf (?:a )?minute\b", "30 seconds", text.replace("半分钟", "30秒"), flags=re.IGNORECASE)
    return _NUMBER_IN_WORDS.sub(lambda word: str(_number(word[0].lower())), text)


def _number(word: str) -> int:
    return _NUMBERS_IN_WORDS[word] if word in _NUMBERS_IN_WORDS else han_number(word)


def without_quoted(text: str) -> str:
    """Return the text with blanks in place of quotations."""
    return _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)


def rest_of(text: str, found: re.Match[str]) -> str:
    """Return the text without what was found in it."""
    return (text[: found.start()] + text[found.end() :]).strip(" ,，")


def seconds_in_text(time: str, next_one: str = "") -> float:
    """Return the seconds of a time in a text; a bare number has the unit of the next time."""
    time, next_one = time.lower(), next_one.lower()
    for word, unit in _UNITS_BY_WORD:
        time, next_one = re.sub(word, unit, time), re.sub(word, unit, next_one)
    unit = next_one.strip()[-1:] if time.strip().replace(".", "", 1).isdecimal() else ""
    return parse_seconds(time + (unit if unit.isalpha() else ""))
