"""Collector of the cues of subtitles: keeps limits, sorts them and shifts them to the time axis of the pictures.

Telemetry and timecode aren't words: data of drones and cameras, and clocks, are no speech.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from framelens.core.domain import Cue

MOST_CUES = 50_000
MOST_CHARACTERS = 4_000_000
_LONGEST_CUE = 1000
_ENDLESS_SECONDS = 5.0
"""How long a cue without an end is shown, if no other follows sooner."""
TOUCHING_SECONDS = 0.1
"""Cues with the same text that are at most this far apart are merged."""

_INVISIBLE = {"Cc": " ", "Cf": ""}
_JOINERS = frozenset("\u200c\u200d" + "".join(map(chr, range(0xE0020, 0xE0080))))
"""Signs within words of Persian and Indian languages, and within emoji."""
_TELEMETRY = re.compile(
    r"\b(?:SrtCnt|FrameCnt|DiffTime|latitude|longitude|altitude|rel_alt|abs_alt|focal_len|ct|fnum|shutter)\s*[:=]"
    r"|\bGPS\s*[(:]|\bHOME\s*\(|\bBAROMETER\s*:|\bISO\s*[:=]?\s*\d+.*\b(?:EV|SS|Shutter|F/)|\bF/[\d.]+,\s*SS\s"
    r"|\b(?:H\.S|V\.S|D|H)\s+-?[\d.]+\s?m(?:/s)?\b|#xywh=\d",
    re.IGNORECASE,
)
"""Names and forms that DJI, Autel and other drones, and dash cameras, write into subtitles, and web players into the
WebVTT of their preview pictures."""
_MARKS = r"[\d:;.,/\\\-+\sTZ°NSEWUCGM]*"
_CLOCK = re.compile(rf"{_MARKS}\d[:;/.]\d{_MARKS}|(?:TC|TCR|REC)?[\s:]*\d\d(?:[:;.]\d\d){{2,3}}")
"""A text of digits, marks of times and dates, and letters of directions and time zones alone."""
_UNITS = re.compile(r"(?<![a-z])(?:km/?h|kph|mph|kn|knots|m/s|[23]D|fix|gps)(?![a-z])", re.IGNORECASE)
"""What dash cameras write beside the time."""
_SHARE = 0.8
"""Share of the cues that have to be telemetry or clocks; numbers occur in speech, too."""
_FEWEST_CLOCKS = 3
"""Cues from which a file of numbers alone counts as a clock."""
Timed = tuple[float, float, str]
"""(start seconds, end seconds, text); an end that is not after the start is unknown."""


@dataclass(frozen=True)
class Unread:
    """A line that should hold times and doesn't, or at which a document ends that is cut off or malformed.

    Attributes:
        line: Its number from 1.
        ends: The rest isn't read.
    """

    line: int
    text: str
    ends: bool = False


class PluginNeededError(ValueError):
    """A plugin that isn't used reads this form."""


def clock_seconds(clock: str) -> float:
    """Return the seconds of a time such as `-1:02:03,5`. Raises ValueError if it is no time."""
    seconds = 0.0
    for part in clock.removeprefix("-").replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return -seconds if clock.startswith("-") else seconds


def cue_text(text: str) -> str:
    """Return the text as one line without control characters, at most a thousand characters long.

    Invisible characters that turn or hide text are left out; those that join letters and emoji are part of words.
    """
    head = text[: 4 * _LONGEST_CUE]
    shown = "".join(_INVISIBLE.get(unicodedata.category(char), char) if char not in _JOINERS else char for char in head)
    return " ".join(shown.split())[:_LONGEST_CUE]


def spoken(name: str, text: str) -> str:
    """Return a text with the name of who speaks before it, unless the text begins with it or there is none."""
    name = cue_text(name)
    return text if not name or not text or text.startswith(name) else f"{name}: {text}"


class Cues:
    """Collector of timed texts in any order.

    Attributes:
        is_full: A limit is reached and no more are added.
        num_before: Number of texts that were left out because they end before the first picture.
    """

    def __init__(self, shift_seconds: float = 0.0) -> None:
        self._shift = shift_seconds
        self._timed: list[Timed] = []
        self._characters = 0
        self.is_full = False
        self.num_before = 0

    def add(self, timed: Timed) -> None:
        """Add a timed text, unless it is empty or ends before the first picture."""
        start, end, text = timed[0] + self._shift, timed[1] + self._shift, timed[2]
        self.is_full = len(self._timed) >= MOST_CUES or self._characters + len(text) > MOST_CHARACTERS
        if self.is_full or not text:
            return
        if max(start, end) <= 0:
            self.num_before += 1
            return
        self._timed.append((start, end, text))
        self._characters += len(text)

    def in_order(self) -> tuple[Cue, ...]:
        """Return the cues by time, each with an end; touching cues with the same text are merged."""
        cues: list[Cue] = []
        timed = sorted(self._timed, key=itemgetter(0))  # cues that begin at once keep their order
        latest: dict[str, int] = {}
        starts = [start for start, _, _ in timed]
        for start, end, text in timed:
            if end <= start:
                following = bisect_right(starts, start)
                end = min([start + _ENDLESS_SECONDS, *starts[following : following + 1]])
            start, end = round(max(0.0, start), 6), round(max(0.0, end), 6)
            index = latest.get(text, -1)
            if index >= 0 and start <= cues[index].end_seconds + TOUCHING_SECONDS:
                cues[index] = Cue(cues[index].start_seconds, max(cues[index].end_seconds, end), text)
            else:
                latest[text] = len(cues)
                cues.append(Cue(start, end, text))
        return tuple(cues)


def is_speech(cues: Sequence[Cue]) -> bool:
    """Return whether cues hold words, not measurements or clocks."""
    num_telemetry = sum(bool(_TELEMETRY.search(cue.text)) for cue in cues)
    num_clocks = sum(bool(_CLOCK.fullmatch(_UNITS.sub("", cue.text))) for cue in cues)
    if num_telemetry >= _SHARE * len(cues):
        return False
    return len(cues) < _FEWEST_CLOCKS or num_telemetry + num_clocks < _SHARE * len(cues)
