"""Decoder of closed captions (CEA-608) in pictures, in QuickTime's caption tracks, and in SCC files.

Each line of captions that roll up is one cue. For CEA-708 see framelens.plugins.captions.cea708.
Source: CEA-608-E (codes and characters).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from framelens.plugin.subtitles import Timed, cue_text
from framelens.plugins.captions.timecode import timecode_seconds

LONGEST_ROLLED_SECONDS = 16.0
"""A receiver clears captions after 16 seconds without data (47 CFR 79.101)."""
_SCC_RATE = 30000 / 1001
_SCC_LINE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)\s+([0-9a-fA-F\s]+)$")

_ROWS = {0x11: 1, 0x12: 3, 0x15: 5, 0x16: 7, 0x17: 9, 0x10: 11, 0x13: 12, 0x14: 14}
"""Rows by the first byte of a preamble; the second byte chooses this row or the row after it."""
_LAST_COLUMN = 31
_BASIC = str.maketrans(dict(zip("*\\^_`{|}~\x7f", "áéíóúç÷Ññ█", strict=True)))
_SPECIAL = "®°½¿™¢£♪à èâêîôû"
_EXTENDED = {
    0x12: "ÁÉÓÚÜü‘¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»",
    0x13: "ÃãÍÌìÒòÕõ{}\\^_|~ÄäÖöß¥¤¦ÅåØø┌┐└┘",
}
_Screen = dict[int, dict[int, str]]
"""Characters by row and column."""


@dataclass
class _Channel:
    """Screen of one of the four channels, and the cues that it has shown."""

    cues: list[Timed] = field(default_factory=list)
    _mode: str = ""
    _shown: _Screen = field(default_factory=dict)
    _hidden: _Screen = field(default_factory=dict)
    _row: int = 15
    _column: int = 0
    _since: float = 0.0
    _rolled: tuple[float, str] | None = None  # a line that is complete and shown until the next line begins

    def command(self, code: int, at: float) -> None:
        """Run a control code (its second byte)."""
        if code == 0x20:
            self._mode = "pop"
        elif code in (0x25, 0x26, 0x27):
            if self._mode != "roll":
                self.clear(at)
                self._hidden = {}
            self._mode = "roll"
        elif code == 0x29:
            self._mode = "paint"
        elif code in (0x2A, 0x2B):
            self._mode = ""  # text that isn't captions
        elif code == 0x2C:
            self.clear(at)
        elif code == 0x2D and self._mode == "roll":
            self._roll()
        elif code == 0x2E:
            self._hidden = {}
        elif code == 0x2F:
            self.clear(at)
            self._mode, self._since, self._shown, self._hidden = "pop", at, self._hidden, {}
        else:
            self._erase(code)

    def place(self, row: int, column: int | None) -> None:
        """Move the cursor to a row and column; captions that roll up are all in row 15."""
        self._row = 15 if self._mode == "roll" else row
        self._column = column or 0

    def skip(self, columns: int) -> None:
        """Move the cursor to the right."""
        self._column = min(_LAST_COLUMN, self._column + columns)

    def write(self, text: str, at: float, *, replaces: bool = False) -> None:
        """Write at the cursor, or over the character before it."""
        if not self._mode:
            return
        self._column = max(0, self._column - replaces)
        if self._mode != "pop" and not self._shown_text():
            self._since = at
            self._end_rolled(at)
        for letter in text:
            self._target().setdefault(self._row, {})[self._column] = letter
            self.skip(1)

    def clear(self, at: float) -> None:
        """End what is shown."""
        self._end_rolled(at)
        if text := self._shown_text():
            self.cues.append((self._since, at, text))
        self._shown = {}

    def _erase(self, code: int) -> None:
        row = self._target().get(self._row, {})
        if code == 0x21:
            self._column = max(0, self._column - 1)
            row.pop(self._column, None)
        elif code == 0x24:
            for column in [column for column in row if column >= self._column]:
                del row[column]

    def _roll(self) -> None:
        if text := self._shown_text():
            self._rolled = (self._since, text)
        self._shown, self._column = {}, 0

    def _end_rolled(self, at: float) -> None:
        if self._rolled and self._rolled[1]:
            since, text = self._rolled
            self.cues.append((since, min(at, since + LONGEST_ROLLED_SECONDS), text))
        self._rolled = None

    def _target(self) -> _Screen:
        return self._hidden if self._mode == "pop" else self._shown

    def _shown_text(self) -> str:
        rows = (self._shown[row] for row in sorted(self._shown))
        return cue_text("\n".join("".join(row.get(at, " ") for at in range(max(row) + 1)) for row in rows if row))


class _Line:
    """Decoder of line 21 of one field: the pairs of bytes of its two channels."""

    def __init__(self) -> None:
        self.channels = (_Channel(), _Channel())
        self._channel = self.channels[0]
        self._last = (0, 0)
        self._is_text = True  # not data about the programme (XDS)

    def feed(self, first: int, second: int, at: float) -> None:
        """Decode two bytes at a time in seconds; control codes are sent twice and count once."""
        first, second = first & 0x7F, second & 0x7F
        is_repeated = (first, second) == self._last and 0x10 <= first < 0x20
        self._last = (0, 0) if is_repeated else (first, second)
        if is_repeated:
            return
        if 0x10 <= first < 0x20:
            self._is_text = True
            self._channel = self.channels[bool(first & 8)]
            self._control(first & ~8, second, at)
        elif first >= 0x20 and self._is_text:
            text = "".join(chr(code) for code in (first, second) if code >= 0x20)
            self._channel.write(text.translate(_BASIC), at)
        elif first:
            self._is_text = first == 0x0F

    def _control(self, first: int, second: int, at: float) -> None:
        channel = self._channel
        if second >= 0x40:
            indent = (second & 0x0E) * 2 if second & 0x10 else 0
            channel.place(_ROWS[first] + (second >= 0x60 and first != 0x10), indent)
        elif first in (0x14, 0x15) and 0x20 <= second < 0x30:
            channel.command(second, at)
        elif first == 0x17 and 0x21 <= second <= 0x23:
            channel.skip(second & 3)
        elif first in _EXTENDED and second >= 0x20:
            channel.write(_EXTENDED[first][second - 0x20], at, replaces=True)
        elif first == 0x11 and second >= 0x20:
            channel.write(_SPECIAL[second - 0x30] if second >= 0x30 else " ", at)


class Captions:
    """Decoder of the four channels of CEA-608."""

    def __init__(self) -> None:
        self._lines = (_Line(), _Line())
        self._reached = 0.0

    def feed(self, triples: bytes, at: float) -> None:
        """Decode the triples of a picture: a byte with flags and two bytes of data each."""
        self._reached = at
        for flags, first, second in zip(triples[::3], triples[1::3], triples[2::3], strict=False):
            if flags & 6 == 4:  # valid, and not of CEA-708
                self._lines[flags & 1].feed(first, second, at)

    def channels(self) -> dict[str, list[Timed]]:
        """Return the cues by channel, `CC1` to `CC4`, without empty channels; end what is still shown."""
        every = [channel for line in self._lines for channel in line.channels]
        for channel in every:
            channel.clear(self._reached)
        return {f"CC{number}": channel.cues for number, channel in enumerate(every, 1) if channel.cues}


def read_scc(text: str, *_: object) -> Iterator[Timed]:
    """Yield the cues of a Scenarist file: lines of a time code and pairs of bytes, one pair a frame of 29.97 Hz."""
    captions = Captions()
    for line in text.splitlines():
        if not (match := _SCC_LINE.match(line.strip())):
            continue
        clock = [int(match[group]) for group in (1, 2, 3, 5)]
        at = timecode_seconds(clock, _SCC_RATE, drop_minutes=int(match[4] == ";"))
        for number, word in enumerate(match[6].split()):
            captions.feed(b"\xfc" + bytes.fromhex(word.zfill(4)[:4]), at + number / _SCC_RATE)
    yield from next(iter(captions.channels().values()), [])
