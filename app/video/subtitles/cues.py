"""Collector of the cues of subtitles: keeps limits, sorts them and shifts them to the time axis of the pictures."""

import unicodedata
from bisect import bisect_right

from app.core import Cue

# The limits below were chosen by hand; not tuned.
MOST_CUES = 50_000
MOST_CHARACTERS = 4_000_000
_LONGEST_CUE = 1000
_ENDLESS_SECONDS = 5.0
"""How long a cue without an end is shown, if no other follows sooner."""
TOUCHING_SECONDS = 0.1
"""Cues with the same text that are at most this far apart are one."""

Timed = tuple[float, float, str]
"""(start seconds, end seconds, text); an end that is not after the start is unknown."""


def plain(text: str) -> str:
    """Return the text as one line without control characters, at most a thousand characters long."""
    head = text[: 4 * _LONGEST_CUE]
    shown = "".join(" " if unicodedata.category(char) in ("Cc", "Cf") else char for char in head)
    return " ".join(shown.split())[:_LONGEST_CUE]


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
            if last and last.text == text and start <= last.end_seconds + TOUCHING_SECONDS:
                cues[-1] = Cue(last.start_seconds, max(last.end_seconds, end), text)
            else:
                cues.append(Cue(start, end, text))
        return tuple(cues)
