"""Decoder of digital closed captions (CEA-708), for pictures that carry no CEA-608.

The text of windows is read, not its place or style. Each line of captions that roll up is one cue.
Source: ANSI/CTA-708-E (packets, service blocks and codes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from framelens.plugin.subtitles import Timed, cue_text
from framelens.plugins.captions.cea608 import LONGEST_ROLLED_SECONDS

_START, _CONTINUED = 3, 2
"""Types of the byte pairs that begin and continue a packet."""
_NUM_WINDOWS = 8
_EXTENDED = 0x10
_SYMBOLS = {
    0x20: " ", 0x21: " ", 0x25: "…", 0x2A: "Š", 0x2C: "Œ", 0x30: "█", 0x31: "‘", 0x32: "’", 0x33: "“", 0x34: "”",
    0x35: "•", 0x39: "™", 0x3A: "š", 0x3C: "œ", 0x3D: "℠", 0x3F: "Ÿ", 0x76: "⅛", 0x77: "⅜", 0x78: "⅝", 0x79: "⅞",
}  # fmt: skip
"""The extended characters (G2)."""
_NUM_PARAMETERS = {
    **dict.fromkeys(range(0x11, 0x18), 1), **dict.fromkeys(range(0x18, 0x20), 2), **dict.fromkeys(range(0x88, 0x8E), 1),
    0x90: 2, 0x91: 3, 0x92: 2, 0x97: 4, **dict.fromkeys(range(0x98, 0xA0), 6),
}  # fmt: skip
"""Bytes that follow a control code, 0 for the others."""


@dataclass
class _Window:
    """Text by row, and whether it is seen."""

    is_visible: bool = False
    anchor_row: int = 0
    row: int = 0
    rows: dict[int, str] = field(default_factory=dict)

    def write(self, text: str) -> None:
        self.rows[self.row] = self.rows.get(self.row, "") + text

    def clear(self) -> None:
        self.rows, self.row = {}, 0


class _Service:
    """A language of the captions: its windows, and the cues that they have shown."""

    def __init__(self) -> None:
        self.cues: list[Timed] = []
        self._windows: dict[int, _Window] = {}
        self._current = _Window()
        self._rest = b""
        self._at = self._since = 0.0
        self._before = ""  # what was seen before this block
        self._rolled: tuple[float, str] | None = None  # a line that is complete and shown until the next line begins

    def feed(self, block: bytes, at: float) -> None:
        """Run the codes of a block, shown at a time in seconds."""
        self._at, self._before, data = at, self._shown_text(), self._rest + block
        offset = 0
        while offset < len(data):
            size = self._size_of(data[offset:])
            if offset + size > len(data):
                break
            self._run(data[offset : offset + size])
            offset += size
        self._rest = data[offset:]
        self._note()

    def end(self, at: float) -> None:
        """End what is still shown."""
        self._at, self._before, self._windows = at, self._shown_text(), {}
        self._note()
        self._end_rolled()

    def _note(self) -> None:
        """Make a cue of what was seen before the block and isn't any more."""
        after = self._shown_text()
        has_grown = bool(self._before) and after.startswith(self._before)
        if self._before and not has_grown:
            self.cues.append((self._since, self._at, self._before))
        if after and not has_grown:
            self._end_rolled()
            self._since = self._at

    def _size_of(self, data: bytes) -> int:
        """Return the number of bytes of the code at the start of the data, with what follows it."""
        if data[0] != _EXTENDED:
            return 1 + _NUM_PARAMETERS.get(data[0], 0)
        second = data[1] if len(data) > 1 else 0
        if second < 0x20:
            return 2 + second // 8
        return 2 + (4 if 0x80 <= second < 0x88 else 5 if 0x88 <= second < 0x90 else 0)

    def _run(self, code: bytes) -> None:
        first = code[0]
        if first == _EXTENDED:
            if symbol := _SYMBOLS.get(code[1]):
                self._current.write(symbol)
        elif 0x20 <= first < 0x80 or first >= 0xA0:
            self._current.write("♪" if first == 0x7F else chr(first))
        elif first == 0x18:
            self._current.write(chr(code[1] << 8 | code[2]).encode(errors="ignore").decode())
        elif first >= 0x98:
            self._define(first & 7, code)
        elif first >= 0x80:
            self._command(first, code)
        else:
            self._move(first)

    def _move(self, first: int) -> None:
        window = self._current
        if first == 0x08:
            window.rows[window.row] = window.rows.get(window.row, "")[:-1]
        elif first == 0x0C:
            window.clear()
        elif first == 0x0E:
            window.rows[window.row] = ""
        elif first == 0x0D and not window.is_visible:
            window.row += 1
        elif first == 0x0D and (text := self._shown_text()):
            since = self._since if self._before else self._at
            self._end_rolled()
            self._rolled, self._before = (since, text), ""
            for other in self._windows.values():
                if other.is_visible:
                    other.clear()

    def _command(self, first: int, code: bytes) -> None:
        if first < 0x88:
            self._current = self._windows.get(first & 7, _Window())
        elif first == 0x92:
            self._current.row = code[1] & 0x0F
        elif first == 0x8F:
            self._end_rolled()
            self._windows, self._current = {}, _Window()
        elif change := _CHANGES.get(first):
            if first != 0x89:
                self._end_rolled()
            for number in range(_NUM_WINDOWS):
                if code[1] & 1 << number and number in self._windows:
                    change(self._windows[number])
                    if first == 0x8C:
                        del self._windows[number]

    def _define(self, number: int, code: bytes) -> None:
        window = self._current = self._windows.setdefault(number, _Window())
        window.is_visible, window.anchor_row = bool(code[1] & 0x20), code[2] & 0x7F

    def _end_rolled(self) -> None:
        if self._rolled:
            since, text = self._rolled
            self.cues.append((since, min(self._at, since + LONGEST_ROLLED_SECONDS), text))
        self._rolled = None

    def _shown_text(self) -> str:
        shown = sorted(
            (window for window in self._windows.values() if window.is_visible), key=lambda window: window.anchor_row
        )
        return cue_text("\n".join(window.rows[row] for window in shown for row in sorted(window.rows)))


def _show(window: _Window) -> None:
    window.is_visible = True


def _hide(window: _Window) -> None:
    window.is_visible = False


def _toggle(window: _Window) -> None:
    window.is_visible = not window.is_visible


_CHANGES: dict[int, Callable[[_Window], None]] = {
    0x88: _Window.clear,
    0x89: _show,
    0x8A: _hide,
    0x8B: _toggle,
    0x8C: _Window.clear,
}
"""Changes of the windows that a code names: clear, show, hide, toggle, delete."""


class DigitalCaptions:
    """Decoder of the services of CEA-708."""

    def __init__(self) -> None:
        self._services: dict[int, _Service] = {}
        self._packet = b""
        self._reached = 0.0

    def feed(self, triples: bytes, at: float) -> None:
        """Decode the triples of a picture: a byte with flags and two bytes of data each."""
        self._reached = at
        for flags, first, second in zip(triples[::3], triples[1::3], triples[2::3], strict=False):
            if not flags & 4 or flags & 3 < _CONTINUED:
                continue
            pair = bytes([first, second])
            self._packet = pair if flags & 3 == _START else self._packet + pair if self._packet else b""
            size = self._packet and (2 * (self._packet[0] & 0x3F) or 128)
            if size and len(self._packet) >= size:
                self._unpack(self._packet[1:size], at)
                self._packet = b""

    def channels(self) -> dict[str, list[Timed]]:
        """Return the cues by service, in order and without empty services; end what is still shown."""
        for service in self._services.values():
            service.end(self._reached)
        return {f"Service {number}": service.cues for number, service in sorted(self._services.items()) if service.cues}

    def _unpack(self, data: bytes, at: float) -> None:
        """Give each block of a packet to its service."""
        offset = 0
        while offset < len(data) and data[offset]:
            number, size = data[offset] >> 5, data[offset] & 0x1F
            offset += 1
            if number == 7 and size and offset < len(data):
                number, offset = data[offset] & 0x3F, offset + 1
            self._services.setdefault(number, _Service()).feed(data[offset : offset + size], at)
            offset += size
