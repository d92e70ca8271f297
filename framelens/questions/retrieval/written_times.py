"""Times that are written in a question: a range of the video, or a moment. Quoted times may be writing in the video.

Parts of a video that are named otherwise ("the second half", "the last half minute") are left to the model.
"""

import re

from framelens.analysis.planning.time_parsing import parse_seconds

_CLOCK = r"(?<![\d:.])\d{1,3}(?::[0-5]\d){1,2}(?:\.\d+)?(?!:?\d|\s?[ap]\.?m\b)"
_UNIT = r"(?:(?:hours?|h|minutes?|min|seconds?|secs?|s)\b|小时|分钟?|秒)"
_TIME = rf"(?:{_CLOCK}|(?:\d+(?:\.\d+)?\s?{_UNIT}\s?)+)"
_SECOND_OF_HAN = r"(?:\d+\s?分钟?\s?)?\d+(?:\.\d+)?\s?秒"
_OF_HAN = rf"(?:{_CLOCK}|(?:(?<=第)|(?<=第 )){_SECOND_OF_HAN})"
_RANGES = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"(?:\b(?:between|from)\s+)?[从在]?\s*第?\s*(?P<start>{_TIME}|\d+(?:\.\d+)?)\s*(?:(?<=\s)and\b|to\b|until\b|till\b"
        rf"|[-–—~到至]|和(?=.*之间))\s*第?\s*(?P<end>{_TIME})\s*(?:这段时间|之间|期间|以?内)?",
        rf"(?:\b(?:in|during|within)\s+)?\bthe\s+first\s+(?P<end>{_TIME})|(?<![以之])前\s*(?P<until>{_TIME})(?:以?内)?",
        rf"(?:\b(?:in|during|within|of)\s+)?\bthe\s+(?:last|final)\s+(?P<last>{_TIME})|最后的?\s*(?P<ending>{_TIME})(?:以?内|里)?",
        # One end alone is a clock: a number with a unit may be the time from something else.
        rf"\b(?:after|since)\s+\(?(?P<start>{_CLOCK})\)?",
        rf"\bfrom\s+(?P<start>{_CLOCK})\s+(?:on(?:wards?)?|(?:to|until|till)\s+the\s+end(?:\s+of\s+the\s+video)?)\b",
        rf"[从在]?\s*[(（]?(?:第\s*)?(?P<start>{_OF_HAN})[)）]?\s*(?:[之以往]后|[起开]始?|[到至](?:结尾|结束|最后))",
        rf"\b(?:before|until|till|up\s+to)\s+\(?(?P<end>{_CLOCK})\)?",
        rf"在?\s*[(（]?(?:第\s*)?(?P<end>{_OF_HAN})[)）]?\s*(?:[之以]前|为止)",
    )
)
_MOMENTS = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        rf"\b(?:at|around|near)\s+(?:about\s+|the\s+)?(?P<moment>{_TIME})",
        r"\bat\s+(?P<unit>second|minute)\s+(?P<moment>\d+(?:\.\d+)?)\b",
        rf"(?:^|在|视频|(?<=[，。？！,?!]))\s*(?P<moment>{_CLOCK})(?=\s*[\u4e00-\u9fff])(?!\s*[前后到至])\s*(?:的?时候?)?",
        rf"在?\s*第\s*(?P<moment>{_SECOND_OF_HAN})\s*(?:的?时候?)?",
    )
)
AROUND_SECONDS = 2.0
"""A moment in a question is looked at from so long before it to so long after it: people round what a player shows."""
_UNITS_BY_WORD = (("hours?|小时", "h"), ("min(?:utes?)?|分钟?", "m"), ("sec(?:ond)?s?|秒", "s"))
_QUOTED = re.compile(r"[\"“「『][^\"”」』]*[\"”」』]")


def range_in_text(text: str) -> tuple[float, float | None, str] | None:
    """Return the range of a video that is written in a question, and the question without it; None without a range.

    >>> range_in_text("How often is it red between 0:10 and 0:20?")
    (10.0, 20.0, 'How often is it red ?')

    Returns:
        Start and end in seconds, None for the end of the video, a start below 0 as the distance from there; and the
        rest of the text.
    """
    plain = without_quoted(text)
    for wording in _RANGES:
        if match := wording.search(plain):
            groups = match.groupdict()
            if last := groups.get("last") or groups.get("ending"):
                return -_seconds(last), None, _rest(text, match)
            last = groups.get("end") or groups.get("until") or ""
            start, end = _seconds(groups.get("start") or "0", last), _seconds(last) if last else None
            if end is None or start < end:
                return start, end, _rest(text, match)
    return None


def moment_in_text(text: str) -> tuple[float, float, str] | None:
    """Return the range around the moment that is written in a question, and the question without it; or None.

    The moment must be the only time in the question.

    >>> moment_in_text("What happens at 0:15?")
    (13.0, 17.0, 'What happens ?')

    Returns:
        Start and end in seconds; and the rest of the text.
    """
    plain = without_quoted(text)
    if len(re.findall(_TIME, plain, re.IGNORECASE)) > 1:
        return None
    for wording in _MOMENTS:
        if match := wording.search(plain):
            seconds = _seconds(match["moment"] + match.groupdict().get("unit", ""))
            return max(0.0, seconds - AROUND_SECONDS), seconds + AROUND_SECONDS, _rest(text, match)
    return None


def without_times(text: str) -> str:
    """Return a question without the range or the moment that is written in it."""
    written = range_in_text(text) or moment_in_text(text)
    return written[2] if written else text


def without_quoted(text: str) -> str:
    """Return the text with blanks in place of quotations."""
    return _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)


def _rest(text: str, match: re.Match[str]) -> str:
    """Return the text without what was found in it."""
    return (text[: match.start()] + text[match.end() :]).strip(" ,，")


def _seconds(time: str, next_time: str = "") -> float:
    """Return the seconds of a time in a text; a bare number has the unit of the next time."""
    time, next_time = time.lower(), next_time.lower()
    for word, unit in _UNITS_BY_WORD:
        time, next_time = re.sub(word, unit, time), re.sub(word, unit, next_time)
    unit = next_time.strip()[-1:] if time.strip().replace(".", "", 1).isdecimal() else ""
    return parse_seconds(time + (unit if unit.isalpha() else ""))
