"""Fonts of PDF reports and charts, chosen so that no character is set as an empty box.

FrameLens ships a font (framelens/fonts, made by scripts/make_report_font.py) with the characters common in Chinese,
Japanese and western European texts; a font inside Typst has the characters of the rest of Europe. Characters that both
lack are searched in the fonts of this machine; a character that no font has is shown as its code point, such as
"[U+1F600]".

HarfBuzz maps font files into memory and reads the table of their characters, so hundreds of fonts are searched in a
moment.
"""

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from framelens.reports.content.labels import printable

FOLDER = Path(__file__).parents[2] / "fonts"
FONT_FILE, BOLD = FOLDER / "FrameLensSans-Regular.otf", FOLDER / "FrameLensSans-Bold.otf"
FONT_FAMILY = "FrameLens Sans"
BUNDLED = "DejaVu Sans Mono"
"""A font inside Typst, in both weights."""
_BUNDLED_KNOWS = (
    *(range(0x00A0, 0x01C4), range(0x01FC, 0x0222), range(0x0250, 0x02BA), range(0x0300, 0x0340)),  # Latin
    *(range(0x03A3, 0x03CF), range(0x03F0, 0x0460), range(0x04CF, 0x04FA)),  # Greek, Cyrillic
    *(range(0x2190, 0x2214), range(0x2241, 0x226A), range(0x2500, 0x2630)),  # arrows, mathematics, signs
)
"""The longest ranges of its characters; its file is inside Typst and can't be read."""
_MOST_FONTS = 4
"""Most fonts of this machine in a report; each is embedded whole."""
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


@dataclass(frozen=True)
class Face:
    """A font in a file. `code_points` contains the code points that it has a glyph for."""

    path: Path
    family: str
    code_points: Container[int]


@dataclass(frozen=True)
class Faces:
    """The project's font, Typst's font, and the needed fonts of this machine, most useful first."""

    others: tuple[Face, ...] = ()
    with_bundled: bool = True

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the font families in the order of their use."""
        return (FONT_FAMILY, *([BUNDLED] if self.with_bundled else []), *(face.family for face in self.others))

    def shown(self, text: str) -> str:
        """Return the text as it can be set: tabs become four spaces, characters without a glyph their code points."""
        prepared = _printable_text(text)
        unknown = {letter for letter in set(prepared) if letter != "\n" and not self.has(letter)}
        return (
            "".join(_replacement(letter) if letter in unknown else letter for letter in prepared)
            if unknown
            else prepared
        )

    def has(self, letter: str) -> bool:
        """Return whether a font has a glyph for this character or a width for this white space."""
        bundled = _BUNDLED_KNOWS if self.with_bundled else ()
        covered = (own_face().code_points, *bundled, *(face.code_points for face in self.others))
        return any(ord(letter) in code_points for code_points in covered) and (_has_shape(letter) or letter.isspace())


def faces_for(text: str, *, machine: Iterable[Face] | None = None) -> Faces:
    """Return the fonts that a text needs; this machine's fonts are searched only if the bundled fonts lack a character.

    Args:
        text: The text to set.
        machine: The fonts to search; None for all fonts of this machine.
    """
    lacking = {ord(letter) for letter in set(_printable_text(text)) if _has_shape(letter) and not Faces().has(letter)}
    chosen: list[Face] = []
    faces = list(_machine_fonts() if machine is None else machine) if lacking else []
    while lacking and faces and len(chosen) < _MOST_FONTS:
        covered = [(face, {code for code in lacking if code in face.code_points}) for face in faces]
        best, new = max(covered, key=lambda pair: len(pair[1]))
        if not new:
            break
        chosen.append(best)
        lacking -= new
    return Faces(tuple(chosen))


@lru_cache(maxsize=1)
def own_face() -> Face:
    """Return the project's own font; both weights have the same code points."""
    return Face(FONT_FILE, FONT_FAMILY, FontFile(FONT_FILE))


@lru_cache(maxsize=1)
def _machine_fonts() -> tuple[Face, ...]:
    return tuple(_find_faces())


def _find_faces() -> Iterator[Face]:
    """Yield the upright fonts of normal weight that Typst finds; skip unreadable fonts."""
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


def _printable_text(text: str) -> str:
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", printable(text)))
    return "\n".join(re.split("\r\n|[\n\r\x85\u2028\u2029]", visible)).expandtabs(4)


def _has_shape(letter: str) -> bool:
    return not letter.isspace() and not any(ord(letter) in area for area in _PRIVATE)


def _replacement(letter: str) -> str:
    return _PLAIN.get(letter) or (" " if letter.isspace() else f"[U+{ord(letter):04X}]")


class FontFile:
    """The characters of a font file: `code in FontFile(path, place)` is true if it has a glyph for the code point.

    Args:
        path: The font or collection of fonts.
        place: The index of the font in a collection, 0 for a single font.

    Attributes:
        tables: The names of all tables.

    Raises:
        uharfbuzz.HarfBuzzError: The file could not be read.
        ValueError: The file has no characters.
    """

    def __init__(self, path: Path, index: int = 0) -> None:
        import uharfbuzz  # type: ignore[import-untyped]  # HTML reports are made without it

        face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)), index)
        self.tables = frozenset(face.table_tags)
        self._known = face.unicodes
        if not self._known:
            raise ValueError(f"{path} has no table of Unicode characters")

    def __contains__(self, code: object) -> bool:
        return code in self._known
