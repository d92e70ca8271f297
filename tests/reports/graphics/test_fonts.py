"""No character of a report may come out as an empty box."""

from pathlib import Path

import pytest
import typst
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont

from framelens.i18n import catalogue
from framelens.reports.graphics import fonts
from framelens.reports.graphics.fonts import BOLD, FONT_FILE, Face, Faces, FontFile, faces_for

HERE = (fonts.FONT_FAMILY, fonts.BUNDLED)
EMOJI, RARE = "\N{GRINNING FACE}", "\U0002a6d6"


def codes(path: Path, place: int = 0) -> set[int]:
    with TTFont(path, fontNumber=place) as font:
        return set(font.getBestCmap())


def made(path: Path, letters: str) -> Path:
    """A font file with a square for each of the letters."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 500))
    pen.lineTo((500, 500))
    pen.closePath()
    names = [".notdef", *(f"g{ord(letter)}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"g{ord(letter)}" for letter in letters})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


# ---- what a font file knows


@pytest.mark.parametrize("path", [FONT_FILE, BOLD])
def test_a_font_is_read_as_another_library_reads_it(path: Path) -> None:
    read, known = FontFile(path), codes(path)
    assert {code for code in range(0x30000) if code in read} == known


@pytest.mark.parametrize("letters", ["ACDEz中", f"A{EMOJI}{RARE}", "中"])
def test_fonts_of_either_format_and_in_collections_are_read(tmp_path: Path, letters: str) -> None:
    path = made(tmp_path / "one.ttf", letters)
    both = TTCollection()
    both.fonts = [TTFont(made(tmp_path / "other.ttf", "xy")), TTFont(path)]
    both.save(tmp_path / "both.ttc")
    for read in (FontFile(path), FontFile(tmp_path / "both.ttc", 1)):
        assert {code for code in range(0x30000) if code in read} == set(map(ord, letters))
    assert "glyf" in FontFile(path).tables


# ---- our own font


def test_fonts_cover_the_words_of_reports() -> None:
    assert codes(FONT_FILE) == codes(BOLD)  # both weights know the same characters
    # Own font covers all report words.
    words = "".join(
        text
        for language in ("zh", "en")
        for key, text in catalogue(language).items()  # type: ignore[arg-type]
        if key.split(".")[0] in ("report", "notice", "trouble", "unverified", "condition", "stage", "strategy")
    )
    assert "[U+" not in Faces().shown(words)
    # Typst font covers its declared characters.
    letters = "".join(chr(code) for known in fonts._BUNDLED_KNOWS for code in known)
    for weight in ("regular", "bold"):
        page = f'#set text(font: "{fonts.BUNDLED}", weight: "{weight}", fallback: false)\n#sys.inputs.letters'
        inputs = {"letters": letters}
        # PDF/A refuses what has no shape.
        assert typst.compile(page.encode(), sys_inputs=inputs, ignore_system_fonts=True, pdf_standards="a-2b")
    # The letters of all of europe are available.
    words = "Łódź Škoda İstanbul Žluťoučký kůň Ελλάδα Україна Țară Győr"
    assert Faces().shown(words) == words


def test_our_own_font_knows_what_is_common() -> None:
    simplified = "".join(
        bytes((row, cell)).decode("gb2312", "ignore") for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF)
    )
    traditional = "".join(
        bytes((row, cell)).decode("big5", "ignore")
        for row in range(0xA4, 0xC7)
        for cell in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    )
    others = "ABCäöüßéñœ Привет Ωλ かなカナ ①→⚠…—“”‘’《》、。！？￥€№℃×≤½"
    assert len(simplified) == 6763 and len(traditional) > 5401
    assert Faces().shown(simplified + traditional + others) == simplified + traditional + others


# ---- what our own font lacks


def test_missing_and_shapeless_characters_are_named() -> None:
    # What no font has is named.
    assert Faces().shown(f"a{EMOJI}b{RARE}") == "a[U+1F600]b[U+2A6D6]"
    assert Faces().shown("\u202egnp\x00\ue000") == "[U+202E]gnp[U+0000][U+E000]"
    # Shapeless characters drop and combining ones join.
    assert Faces().shown("⚠\ufe0f a\u200bb\u00adc \ufeff") == "⚠ abc "
    assert Faces().shown("e\u0301\tx\u1680y\r\nz\u2028w") == "é   x y\nz\nw"


def test_fonts_of_the_machine_are_taken_only_where_they_help(tmp_path: Path) -> None:
    little, much = Face(tmp_path, "Little", {ord(EMOJI)}), Face(tmp_path, "Much", {ord(EMOJI), ord(RARE), ord("a")})
    assert faces_for("plain 文字", machine=[little, much]).families == HERE
    assert faces_for(f"a{EMOJI}{RARE}", machine=[little, much]).families == (*HERE, "Much")
    assert faces_for(EMOJI, machine=[little, much]).shown(EMOJI) == EMOJI
    assert faces_for("\ue000", machine=[Face(tmp_path, "Icons", {0xE000})]).others == ()


def test_the_fonts_of_this_machine_can_be_looked_through() -> None:
    for face in fonts._machine_fonts():
        assert face.path.is_file() and face.family
