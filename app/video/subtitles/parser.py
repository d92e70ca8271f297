"""Parser of subtitle text (SubRip, WebVTT and ASS/SSA) and collector of its cues.

Nothing here opens a file. `Cues` keeps limits, sorts the cues and shifts them to the time axis of the pictures.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby

from app.core import Cue

# The limits below were chosen by hand; not tuned.
MOST_CUES = 50_000
MOST_CHARACTERS = 4_000_000
_LONGEST_CUE = 1000
_ENDLESS_SECONDS = 5.0
"""How long a cue without an end is shown, if no other follows sooner."""
_TOUCHING_SECONDS = 0.1
"""Cues with the same text that are at most this far apart are one."""

_TIMING = re.compile(
    r"\s*((?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})(?:\s.*)?$"
)
_NUMBERS = re.compile(r"[\d\s:,.-]*")  # the number of a cue and a time that was cut off
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<[\d:.]{5,20}>")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_ASS_BREAK = re.compile(r"\\[Nnh]")
_ASS_FIELDS = ("Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text")
Timed = tuple[float, float, str]
"""(start seconds, end seconds, text); an end that is not after the start is unknown."""


def plain(text: str) -> str:
    """Return the text as one line without control characters, at most a thousand characters long."""
    head = text[: 4 * _LONGEST_CUE]
    shown = "".join(" " if unicodedata.category(char) in ("Cc", "Cf") else char for char in head)
    return " ".join(shown.split())[:_LONGEST_CUE]


def from_ass(text: str) -> str:
    """Return the text of an ASS event without its markup and drawings."""
    return plain(_TAG.sub("", _ASS_BREAK.sub(" ", _OVERRIDE.sub("", _DRAWING.sub("", text)))))


def from_markup(text: str) -> str:
    """Return the text of a SubRip or WebVTT cue without its markup."""
    return plain(html.unescape(_TAG.sub("", _OVERRIDE.sub("", text))))


def read_arrows(text: str) -> Iterator[Timed]:
    """Yield the cues of SubRip or WebVTT: a line `start --> end`, then lines of text up to an empty one."""
    timing: tuple[float, float] | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        found = _TIMING.match(line) if "-->" in line else None
        if timing and (found or not line.strip()):
            # Without an empty line between them, the number of the next cue is the last line of this one.
            number = found is not None and bool(lines) and lines[-1].strip().isdecimal()
            yield *timing, from_markup("\n".join(lines[:-1] if number else lines))
            timing = None
        if found:
            timing, lines = (_seconds(found[1]), _seconds(found[2])), []
        elif timing:
            lines.append(line)


def read_srt(text: str) -> Iterator[Timed]:
    """Yield the cues of SubRip, in which a cue may have empty lines: what follows it up to the next cue is its text."""
    held: list[Timed] = []
    for is_blank, lines in groupby(text.splitlines(), lambda line: not line.strip()):
        block = "" if is_blank else "\n".join(lines)
        found = list(read_arrows(block))
        if found:
            yield from held
            held = found
        elif held and "-->" not in block and not _NUMBERS.fullmatch(block):
            start, end, words = held[-1]
            held[-1] = (start, end, plain(f"{words} {from_markup(block)}"))
    yield from held


def read_ass(text: str) -> Iterator[Timed]:
    """Yield the dialogue of an ASS or SSA file."""
    names: tuple[str, ...] = _ASS_FIELDS
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        if kind.strip() == "Format" and "Text" in rest and "Start" in rest:
            names = tuple(name.strip() for name in rest.split(","))
        elif kind.strip() == "Dialogue":
            event = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
            if (times := _ass_times(event)) is not None:
                yield *times, from_ass(event.get("Text", ""))


def _ass_times(event: dict[str, str]) -> tuple[float, float] | None:
    try:
        return _seconds(event["Start"].strip()), _seconds(event["End"].strip())
    except (KeyError, ValueError):
        return None


def _seconds(clock: str) -> float:
    seconds = 0.0
    for part in clock.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


class Cues:
    """Collector of timed texts in any order. `is_full`: a limit is reached and no more are added."""

    def __init__(self, shift_seconds: float = 0.0) -> None:
        self._shift = shift_seconds
        self._timed: list[Timed] = []
        self._characters = 0
        self.is_full = False

    def add(self, timed: Timed) -> None:
        """Add a timed text, unless it is empty or ends before the first picture."""
        start, end, text = timed[0] + self._shift, timed[1] + self._shift, timed[2]
        self.is_full = len(self._timed) >= MOST_CUES or self._characters + len(text) > MOST_CHARACTERS
        if self.is_full or not text or max(start, end) <= 0:
            return
        self._timed.append((start, end, text))
        self._characters += len(text)

    def in_order(self) -> tuple[Cue, ...]:
        """Return the cues by time, each with an end; cues with the same text that touch become one."""
        cues: list[Cue] = []
        timed = sorted(self._timed)
        starts = [start for start, _, _ in timed]
        for start, end, text in timed:
            if end <= start:
                following = bisect_right(starts, start)
                end = min([start + _ENDLESS_SECONDS, *starts[following : following + 1]])
            start, end = round(max(0.0, start), 6), round(max(0.0, end), 6)
            last = cues[-1] if cues else None
            if last and last.text == text and start <= last.end_seconds + _TOUCHING_SECONDS:
                cues[-1] = Cue(last.start_seconds, max(last.end_seconds, end), text)
            else:
                cues.append(Cue(start, end, text))
        return tuple(cues)
