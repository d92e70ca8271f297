"""Fonts of PDF reports and charts, chosen so that no character is set as an empty box.

FrameLens ships a font (app/fonts, made by scripts/make_report_font.py) with the characters common in Chinese, Japanese
and western European texts; one inside Typst has those of the rest of Europe. Characters that both lack are searched in
the fonts of this machine; one that no font has is shown as its code point, such as "[U+1F600]".

The characters of a font are read from its table "cmap" (OpenType 1.9) in formats 4 and 12, which current fonts use.
Only the file's header and this table are read, so hundreds of fonts are searched in a moment.
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

from app.reports.content import printable

FOLDER = Path(__file__).parents[2] / "fonts"
REGULAR, BOLD = FOLDER / "FrameLensSans-Regular.otf", FOLDER / "FrameLensSans-Bold.otf"
FAMILY = "FrameLens Sans"
BUNDLED = "DejaVu Sans Mono"
"""A font inside Typst, in both weights."""
_BUNDLED_KNOWS = (
    *(range(0x00A0, 0x01C4), range(0x01FC, 0x0222), range(0x0250, 0x02BA), range(0x0300, 0x0340)),  # Latin
    *(range(0x03A3, 0x03CF), range(0x03F0, 0x0460), range(0x04CF, 0x04FA)),  # Greek, Cyrillic
    *(range(0x2190, 0x2214), range(0x2241, 0x226A), range(0x2500, 0x2630)),  # arrows, mathematics, signs
)
"""The longest ranges of its characters; its file is inside Typst and can't be read."""
_MOST_FONTS = 4
"""Fonts of this machine in one report, each of which is copied whole. Chosen by hand; not tuned."""
_PLAIN = {"❌": "×"}
"""Substitutes for characters that no font has."""
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
"""Characters without a glyph of their own, which most fonts lack: joiners, variation selectors, break marks."""
_PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0x110000))
"""Private use areas, which differ in every font."""
_BOXES = re.compile(r"(?i)last ?resort|adobe ?blank|bmp fallback|notdef|^\.")
"""Fonts with a box or nothing for every character, and the private fonts of a system."""
_COLOURED = {"CBDT", "COLR", "SVG ", "sbix", "EBDT"}
"""Tables of bitmap and colour fonts, whose outlines may be empty."""
_BEST = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of the Unicode subtables, the most complete first."""


@dataclass(frozen=True)
class Face:
    """A font of this machine. `known` contains the code points that it has a glyph for."""

    path: Path
    family: str
    known: Container[int]


@dataclass(frozen=True)
class Faces:
    """The project's font, the one inside Typst, and the needed fonts of this machine, most useful first."""

    others: tuple[Face, ...] = ()
    with_bundled: bool = True

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the font families in the order of their use."""
        return (FAMILY, *([BUNDLED] if self.with_bundled else []), *(face.family for face in self.others))

    def shown(self, text: str) -> str:
        """Return the text as it can be set: tabs become four spaces, characters without a glyph their code points."""
        prepared = _prepared(text)
        unknown = {letter for letter in set(prepared) if letter != "\n" and not self.has(letter)}
        return "".join(_named(letter) if letter in unknown else letter for letter in prepared) if unknown else prepared

    def has(self, letter: str) -> bool:
        """Return whether a font has a glyph for this character or a width for this white space."""
        bundled = _BUNDLED_KNOWS if self.with_bundled else ()
        known = (own(), *bundled, *(face.known for face in self.others))
        return any(ord(letter) in one for one in known) and (_has_shape(letter) or letter.isspace())


def faces_for(text: str, *, machine: Iterable[Face] | None = None) -> Faces:
    """Return the fonts that a text needs; the machine's fonts are searched only if the others lack a character.

    Args:
        text: The text to set.
        machine: The fonts to search; None for all fonts of this machine.
    """
    lacking = {ord(letter) for letter in set(_prepared(text)) if _has_shape(letter) and not Faces().has(letter)}
    chosen: list[Face] = []
    found = list(_machine_fonts() if machine is None else machine) if lacking else []
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
    """Return the code points of the project's own font; both weights have the same."""
    return FontFile(REGULAR)


@lru_cache(maxsize=1)
def _machine_fonts() -> tuple[Face, ...]:
    return tuple(_found())


def _found() -> Iterator[Face]:
    """Yield the upright fonts of normal weight that Typst finds; skip unreadable ones."""
    import typst

    for font in typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).fonts():
        upright = font.style == "normal" and 300 <= font.weight <= 500 and font.stretch == 1.0
        if upright and font.path and not _BOXES.search(font.family):
            try:
                read = FontFile(Path(font.path), font.index)
            except Exception:  # noqa: BLE001 - a font of the machine may be broken in any way
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
    """The characters of a font file: `code in FontFile(path, place)` is true if it has a glyph for the code point.

    Args:
        path: The font or collection of fonts.
        place: The index of the font in a collection, 0 for a single font.

    Attributes:
        tables: The names of all tables.

    Raises:
        OSError: The file could not be read.
        ValueError: The font has no character table that can be read.
        struct.error: The file is damaged.
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
    """Read the offset and length of each table."""
    start = 0
    if file.read(4) == b"ttcf":
        file.seek(12 + 4 * place)
        start = struct.unpack(">L", file.read(4))[0]
    file.seek(start + 4)
    (count,) = struct.unpack(">H6x", file.read(8))
    records = (struct.unpack(">4s4xLL", file.read(16)) for _ in range(count))
    return {name.decode("latin-1"): (offset, length) for name, offset, length in records}


def _groups(table: bytes) -> list[tuple[int, int]]:
    """Read format 12: ranges of code points with the glyph of the first one; glyph 0 is the missing glyph."""
    (count,) = struct.unpack_from(">L", table, 12)
    groups = struct.iter_unpack(">LLL", table[16 : 16 + 12 * count])
    return [(first if glyph else first + 1, last) for first, last, glyph in groups]


def _segments(table: bytes) -> list[tuple[int, int]]:
    """Read format 4: ranges below 65,536, each with a glyph offset or a list of glyphs that may have gaps."""
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
            none = -deltas[place] % 0x10000  # the one code point that maps to glyph 0
            parts = ((first, none - 1), (none + 1, last)) if first <= none <= last else ((first, last),)
            found.extend(part for part in parts if part[0] <= part[1])
    return found


def _columns(count: int) -> tuple[int, int, int, int]:
    """Return the offsets of the arrays of ends, starts, deltas and offsets; two bytes of padding follow the ends."""
    return 0, 2 + 2 * count, 2 + 4 * count, 2 + 6 * count


def _short(data: bytes, at: int) -> int:
    return int(struct.unpack_from(">H", data, at)[0])


def _shorts(data: bytes, at: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}H", data, at)
