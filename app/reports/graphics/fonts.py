"""The letters that reports are set in, so that no character ever comes out as an empty box.

Our own font comes with FrameLens (app/fonts, made by scripts/make_report_font.py) and knows what is common in Chinese,
Japanese and western European texts; one that Typst brings along knows the letters of the rest of Europe. What both lack
is looked for in the fonts of this machine; what none of them has is shown as its code point, such as "[U+1F600]".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.reports.content.plain_text import printable
from app.reports.graphics.cmap import FontFile

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
