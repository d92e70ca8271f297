"""Parts of a video that a question names by their place in it: its end, its second half, its last ten seconds."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from framelens.questions.retrieval.named_times import (
    TIME_IN_TEXT,
    moment_in_text,
    range_in_text,
    rest_of,
    seconds_in_text,
    with_digits,
    without_quoted,
)

_EDGE_SHARE, _EDGE_LEAST, _EDGE_MOST = 0.1, 5.0, 60.0
"""Beginning, middle and end of a video: share of its length, and fewest and most seconds."""
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_FILM = r"(?:video|film|clip|movie|recording|footage)"
_IN_THE = r"\b(?:in|at|near|during|towards?|within|on)\s+the\s+(?:very\s+)?"
_OF_FILM = rf"\s+of\s+(?:the|this)\s+{_FILM}\b"
_NOT_UP_TO = r"(?<!to )(?<!until )(?<!till )(?<!from )(?<!since )(?<!before )(?<!after )\bthe\s+(?:very\s+)?"
_ALONE = rf"\b(?:{_OF_FILM}|(?!\s+of\b))"
"""The end of something else is no part of the video."""
_HOW_DOES = r"(?:(?<=\bhow does the )|(?<=\bhow does this ))"
_SCENE = r"(?:scene|shot|frame|moment|part|image|picture)s?"
_IN_FILM_HAN = r"(?:在|到)?(?:(?:这[个段部])?(?:视频|影片|片子|录像|画面)的?)?"
_FIRST_OR_OF_FILM_HAN = r"(?:(?:^|(?<=[，。？！,?!]))[在到]?|(?:视频|影片|片子|录像)的?)"
_WHEN_HAN = r"(?:的?(?:时候?|部分|处|地方|阶段))"
_LAST_HAN = r"最后(?![\d一两三几次个位名张条只句排出])"
"""Not of 最后一次 or 最后出现的人."""


@dataclass(frozen=True)
class NamedPart:
    """A part of a video by its place.

    Attributes:
        is_edge: The part has no length of its own, such as the end.
        rest: The question without it.
        place: Returns start and end of the part in seconds, given start and end of the video.
    """

    is_edge: bool
    rest: str
    place: Callable[[float, float], tuple[float, float]]


def part_in_text(text: str) -> NamedPart | None:
    """Return the part of a video that a question names by its place, or None.

    >>> part_in_text("Who is there in the last 10 seconds?").place(0.0, 60.0)
    (50.0, 60.0)
    """
    text = with_digits(text)
    plain = without_quoted(text)
    for wording, place in _compiled():
        if found := wording.search(plain):
            is_edge = place in (_beginning, _middle, _end)
            return NamedPart(is_edge, rest_of(text, found), partial(place, found))
    return None


def without_times(text: str) -> str:
    """Return a question without the range, the part or the moment that it names."""
    if found := range_in_text(text) or moment_in_text(text):
        return found[2]
    part = part_in_text(text)
    return part.rest if part else text


_Place = Callable[[re.Match[str], float, float], tuple[float, float]]


def _last(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    return max(start, end - seconds_in_text(found.groupdict().get("length") or f"1 {found['unit']}")), end


def _minute(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    word = found["number"].lower()
    number = _ORDINALS.index(word) + 1 if word in _ORDINALS else int(re.sub(r"\D", "", word))
    return 60.0 * (number - 1), 60.0 * number


def _first_half(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    return start, (start + end) / 2


def _second_half(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    return (start + end) / 2, end


def _beginning(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    return start, min(end, start + _edge(end - start))


def _middle(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    middle, length = (start + end) / 2, _edge(end - start)
    return max(start, middle - length / 2), min(end, middle + length / 2)


def _end(found: re.Match[str], start: float, end: float) -> tuple[float, float]:
    return max(start, end - _edge(end - start)), end


def _edge(seconds: float) -> float:
    return min(_EDGE_MOST, max(_EDGE_LEAST, _EDGE_SHARE * seconds))


def _placed(words: str) -> str:
    """Return a pattern of words for a part: "at the end", or "the end of the video" without such a word before it."""
    return rf"{_IN_THE}{words}{_ALONE}|{_NOT_UP_TO}{words}{_OF_FILM}"


_WORDINGS: tuple[tuple[_Place, tuple[str, ...]], ...] = (
    (
        _last,
        (
            rf"(?:{_IN_THE}|\bthe\s+)(?:last|final)\s+(?P<length>{TIME_IN_TEXT})",
            rf"{_IN_THE}(?:last|final)\s+(?P<unit>minute|second|hour){_ALONE}",
            rf"最后的?\s*(?P<length>{TIME_IN_TEXT})(?:以?内|里)?",
        ),
    ),
    (
        _minute,
        (
            rf"{_IN_THE}(?P<number>{'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th))\s+minute{_ALONE}",
            r"\b(?:in|during)\s+minute\s+(?P<number>\d+)\b",
            r"在?\s*第\s*(?P<number>[1-9]\d*)\s*分钟(?!\s*\d|[之以]?[前后])(?:里|内|的?时候?)?",
        ),
    ),
    (
        _first_half,
        (
            _placed(r"first\s+half"),
            rf"{_IN_FILM_HAN}[前上](?:半段|半部分?|半程|一半)(?:里|中)?",
        ),
    ),
    (
        _second_half,
        (
            _placed(r"(?:second|last|other)\s+half"),
            rf"{_IN_FILM_HAN}[后下](?:半段|半部分?|半程|一半)(?:里|中)?",
        ),
    ),
    (
        _middle,
        (
            rf"{_IN_THE}middle\s+of\s+(?:the|this)\s+{_FILM}\b",
            rf"\bhalf\s?-?way\s+through\b(?:\s+(?:the|this)\s+{_FILM}\b|(?!\s+\w))",
            rf"{_IN_FILM_HAN}(?:中间部分|中间一段|中段)",
        ),
    ),
    (
        _end,
        (
            _placed(r"end"),
            rf"{_IN_THE}(?:last|final|closing)\s+{_SCENE}{_ALONE}",
            rf"{_HOW_DOES}{_FILM}\s+end\b",
            rf"{_IN_FILM_HAN}(?:结尾|片尾|末尾){_WHEN_HAN}?",
            rf"{_FIRST_OR_OF_FILM_HAN}(?:{_LAST_HAN}{_WHEN_HAN}?|快?结束{_WHEN_HAN})",
            r"最后几(?:秒钟?|分钟)(?:里|内)?",
        ),
    ),
    (
        _beginning,
        (
            _placed(r"(?:beginning|start|opening)"),
            rf"{_IN_THE}(?:first|opening)\s+{_SCENE}{_ALONE}",
            rf"{_HOW_DOES}{_FILM}\s+(?:begin|start|open)\b",
            rf"{_IN_FILM_HAN}(?:(?:开头|片头){_WHEN_HAN}?|(?<!从)[一刚]开始(?:的?时候?)?)",
            rf"{_FIRST_OR_OF_FILM_HAN}开始的?时候?",
            r"前几(?:秒钟?|分钟)(?:里|内)?",
        ),
    ),
)


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], _Place], ...]:
    """Return the wordings; a page compiles them with its first question."""
    return tuple((re.compile(wording, re.IGNORECASE), place) for place, wordings in _WORDINGS for wording in wordings)
