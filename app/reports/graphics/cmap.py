"""Which characters a font file has a shape for, from its table "cmap".

OpenType 1.9 describes it; formats 4 and 12 are read, which is what fonts of today hold. Nothing is read but the head of
the file and this table, so that hundreds of fonts are looked through in a moment.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from pathlib import Path
from typing import BinaryIO

_BEST = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of the Unicode subtables, the fullest first."""


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
