"""The letters that reports are set in, so that no character ever comes out as an empty box.

Our own font comes with FrameLens (app/fonts, made by scripts/make_report_font.py) and knows what is common in Chinese,
Japanese and western European texts; one that Typst brings along knows the letters of the rest of Europe. What both lack
is looked for in the fonts of this machine; what none of them has is shown as its code point, such as "[U+1F600]".

OpenType 1.9 describes it; formats 4 and 12 are read, which is what fonts of today hold. Nothing is read but the head of
the file and this table, so that hundreds of fonts are looked through in a moment.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from app.reports.content.plain_text import printable

FOLDER = Path(__file__).parents[2] / "fonts"
REGULAR, BOLD = FOLDER / "FrameLensSans-Regular.otf", FOLDER / "FrameLensSans-Bold.otf"
FAMILY = "FrameLens Sans"
BUNDLED = "DejaVu Sans Mono"
"""It is inside Typst, in both weights."""
_BUNDLED_KNOWS = (
    *(range(0x00A0, 0x01C4), range(0x01FC, 0x0222), range(0x0250, 0x02BA), range(0x0300, 0x0340)),  # Latin
    *(range(0x03A3, 0x03CF), range(0x03F0, 0x0460), range(0x04CF, 0x04FA)),  # Greek, Cyrillic
    *(range(0x2190, 0x2214), range(0x2241, 0x226A), range(0x2500, 0x2630)),  # arrows, mathematics, signs
)
"""The longest runs of what it knows; its file is out of reach."""
_MOST_FONTS = 4
_PLAIN = {"❌": "×"}
"""What says the same where no font has a shape for it."""
"""Of this machine, in one report: each is searched and carried along whole."""
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
"""Characters without a shape of their own, which most fonts lack: joiners, variants, break marks."""
_PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0x110000))
"""Every font puts something else there."""
_BOXES = re.compile(r"(?i)last ?resort|adobe ?blank|bmp fallback|notdef|^\.")
"""Fonts that have a box, or nothing, for every character there is; and those that a system keeps to itself."""
_COLOURED = {"CBDT", "COLR", "SVG ", "sbix", "EBDT"}
"""Tables of fonts that are pictures; what outlines these have may be empty."""
_BEST = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of the Unicode subtables, the fullest first."""


@dataclass(frozen=True)
class Face:
    """A font of this machine: the file, its family, and the code points that it has a shape for."""

    path: Path
    family: str
    known: Container[int]


@dataclass(frozen=True)
class Faces:
    """Our own font and the bundled one, and with them the fonts of this machine that are needed, most useful first."""

    others: tuple[Face, ...] = ()
    with_bundled: bool = True

    @property
    def families(self) -> tuple[str, ...]:
        return (FAMILY, *([BUNDLED] if self.with_bundled else []), *(face.family for face in self.others))

    def shown(self, text: str) -> str:
        """The text as it can be set: line breaks stay, tabs are four blanks wide, what has no shape is named."""
        prepared = _prepared(text)
        unknown = {letter for letter in set(prepared) if letter != "\n" and not self.has(letter)}
        return "".join(_named(letter) if letter in unknown else letter for letter in prepared) if unknown else prepared

    def has(self, letter: str) -> bool:
        """Whether there is a shape for this character; of white space, whether it has a width."""
        bundled = _BUNDLED_KNOWS if self.with_bundled else ()
        known = (own(), *bundled, *(face.known for face in self.others))
        return any(ord(letter) in one for one in known) and (_has_shape(letter) or letter.isspace())


def faces_for(text: str, *, machine: Iterable[Face] | None = None) -> Faces:
    """What is needed for this text; the fonts of the machine are looked at only where those at hand are not enough."""
    lacking = {ord(letter) for letter in set(_prepared(text)) if _has_shape(letter) and not Faces().has(letter)}
    chosen: list[Face] = []
    found = list(_of_machine() if machine is None else machine) if lacking else []
    while lacking and found and len(chosen) < _MOST_FONTS:
        known = [(face, {code for code in lacking if code in face.known}) for face in found]
        best, new = max(known, key=lambda one: len(one[1]))
        if not new:
            break
        chosen.append(best)
        lacking -= new
    return Faces(tuple(chosen))


@lru_cache(maxsize=1)
def own() -> Container[int]:
    """The code points that our own font has a shape for; both weights know the same."""
    return FontFile(REGULAR)


@lru_cache(maxsize=1)
def _of_machine() -> tuple[Face, ...]:
    return tuple(_found())


def _found() -> Iterator[Face]:
    """Upright fonts of normal weight, as Typst finds them; one that cannot be read is passed over."""
    import typst

    for font in typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).fonts():
        upright = font.style == "normal" and 300 <= font.weight <= 500 and font.stretch == 1.0
        if upright and font.path and not _BOXES.search(font.family):
            try:
                read = FontFile(Path(font.path), font.index)
            except Exception:  # noqa: BLE001 - fonts of strangers are broken in every way there is
                continue
            if not _COLOURED & read.tables:
                yield Face(Path(font.path), font.family, read)


def _prepared(text: str) -> str:
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", printable(text)))
    return "\n".join(re.split("\r\n|[\n\r\x85\u2028\u2029]", visible)).expandtabs(4)


def _has_shape(letter: str) -> bool:
    return not letter.isspace() and not any(ord(letter) in area for area in _PRIVATE)


def _named(letter: str) -> str:
    return _PLAIN.get(letter) or (" " if letter.isspace() else f"[U+{ord(letter):04X}]")


class FontFile:
    """`code in FontFile(path, place)` says whether the font at `place` of a collection (0 of a single font) has a shape
    for this code point. `tables` are the names of all its tables. Raises OSError, ValueError or struct.error.
    """

    def __init__(self, path: Path, place: int = 0) -> None:
        with path.open("rb") as file:
            places = _places(file, place)
            file.seek(places["cmap"][0])
            cmap = file.read(places["cmap"][1])
        self.tables = frozenset(places)
        offsets = {struct.unpack_from(">HH", cmap, at): at for at in range(4, 4 + 8 * _short(cmap, 2), 8)}
        best = next((offsets[kind] for kind in _BEST if kind in offsets), None)
        if best is None:
            raise ValueError(f"{path} has no table of Unicode characters")
        subtable = cmap[struct.unpack_from(">L", cmap, best + 4)[0] :]
        read = {4: _segments, 12: _groups}.get(_short(subtable, 0))
        if read is None:
            raise ValueError(f"{path} has its characters in format {_short(subtable, 0)}")
        self._ranges = read(subtable)
        self._starts = [first for first, _ in self._ranges]

    def __contains__(self, code: object) -> bool:
        if not isinstance(code, int):
            return False
        at = bisect_right(self._starts, code) - 1
        return at >= 0 and code <= self._ranges[at][1]


def _places(file: BinaryIO, place: int) -> dict[str, tuple[int, int]]:
    """Table -> offset and length."""
    start = 0
    if file.read(4) == b"ttcf":
        file.seek(12 + 4 * place)
        start = struct.unpack(">L", file.read(4))[0]
    file.seek(start + 4)
    (count,) = struct.unpack(">H6x", file.read(8))
    records = (struct.unpack(">4s4xLL", file.read(16)) for _ in range(count))
    return {name.decode("latin-1"): (offset, length) for name, offset, length in records}


def _groups(table: bytes) -> list[tuple[int, int]]:
    """Format 12: ranges of code points, each with the glyph of its first; glyph 0 is no shape."""
    (count,) = struct.unpack_from(">L", table, 12)
    groups = struct.iter_unpack(">LLL", table[16 : 16 + 12 * count])
    return [(first if glyph else first + 1, last) for first, last, glyph in groups]


def _segments(table: bytes) -> list[tuple[int, int]]:
    """Format 4: the same for the first 65,536. A segment names its glyphs by a sum, or by a list that may have gaps."""
    count = _short(table, 6) // 2
    ends, starts, deltas, offsets = (_shorts(table, 14 + at, count) for at in _columns(count))
    glyphs = _shorts(table, 16 + 8 * count, (len(table) - 16 - 8 * count) // 2)
    found: list[tuple[int, int]] = []
    for place, (first, last) in enumerate(zip(starts, ends, strict=True)):
        if offsets[place]:
            base = offsets[place] // 2 + place - count - first
            listed = (code for code in range(first, last + 1) if base + code < len(glyphs) and glyphs[base + code])
            found.extend((code, code) for code in listed)
        else:
            none = -deltas[place] % 0x10000  # the one code whose sum is glyph 0
            parts = ((first, none - 1), (none + 1, last)) if first <= none <= last else ((first, last),)
            found.extend(part for part in parts if part[0] <= part[1])
    return found


def _columns(count: int) -> tuple[int, int, int, int]:
    """Where ends, starts, sums and offsets of the segments stand; two bytes of padding lie behind the ends."""
    return 0, 2 + 2 * count, 2 + 4 * count, 2 + 6 * count


def _short(data: bytes, at: int) -> int:
    return int(struct.unpack_from(">H", data, at)[0])


def _shorts(data: bytes, at: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}H", data, at)
