"""Make the font of the reports: Noto Sans CJK SC, cut down to what is common in Chinese, Japanese and European texts.

    python scripts/make_report_font.py

Reads Debian's package fonts-noto-cjk and writes framelens/fonts/. Kept are the characters that each country's standard
calls common (GB 2312 for simplified Chinese, the first levels of Big5 for traditional and of JIS X 0208 for Japanese)
and whatever is neither hanzi nor hangul: Latin, Greek, Cyrillic, kana, punctuation, arrows, lines of tables, signs. The
family gets a name of its own, so that a fuller Noto on the same machine is never taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

SOURCES = Path("/usr/share/fonts/opentype/noto")
LICENCE = Path("/usr/share/doc/fonts-noto-cjk/copyright")
TARGET = Path(__file__).resolve().parent.parent / "framelens" / "fonts"
FAMILY = "FrameLens Sans"
_SIMPLIFIED_CHINESE = 2
"""Place of that font in the collection."""
_LEVELS = (("gb2312", range(0xA1, 0xF8)), ("big5", range(0xA1, 0xC7)), ("euc_jp", range(0xA1, 0xD0)))
"""Encodings, and the first bytes of their common characters."""
_FEATURES = ("ccmp", "kern", "mark", "pwid")
"""The last gives an English report quotation marks that are as narrow as its letters."""
_UNUSED = ("BASE", "DSIG", "VORG", "vhea", "vmtx")
"""Tables of vertical writing, and a signature that no longer holds."""
_PACKAGE_COPYRIGHT = "Copyright 2010-2012, Google Corporation"
_NAMES = {1: FAMILY, 4: FAMILY, 6: FAMILY.replace(" ", ""), 16: FAMILY}


def main() -> None:
    """Make the fonts."""
    TARGET.mkdir(exist_ok=True)
    (TARGET / "OFL.txt").write_text(licence(), encoding="utf-8")
    for weight in ("Regular", "Bold"):
        target = TARGET / f"FrameLensSans-{weight}.otf"
        make(SOURCES / f"NotoSansCJK-{weight}.ttc", weight, target)
        print(f"{target.name}: {target.stat().st_size:,} B")


def make(source: Path, weight: str, target: Path) -> None:
    """Make the font. The same source gives the same bytes: the font keeps the date of the source."""
    options = subset.Options(
        font_number=_SIMPLIFIED_CHINESE,
        layout_features=list(_FEATURES),
        hinting=False,
        name_IDs=["*"],
        notdef_outline=True,
        recalc_timestamp=False,
    )
    options.drop_tables += _UNUSED
    font = subset.load_font(source, options)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=wanted(font.getBestCmap()))
    cut.subset(font)
    rename(font, weight)
    subset.save_font(font, target, options)


def wanted(known: Iterable[int]) -> set[int]:
    """Choose the characters to keep from the source's.

    Combining marks are left out: an accented letter that the font lacks would be composed badly, where another font has
    it whole.
    """
    common = {ord(letter) for encoding, heads in _LEVELS for letter in letters(encoding, heads)}
    kept = {code for code in known if code in common or not is_of_thousands(code)}
    return {code for code in kept if not 0x300 <= code < 0x370}


def letters(encoding: str, heads: Iterable[int]) -> Iterable[str]:
    for pair in (bytes((head, tail)) for head in heads for tail in range(0x40, 0xFF)):
        if len(letter := pair.decode(encoding, errors="ignore")) == 1:
            yield letter


def is_of_thousands(code: int) -> bool:
    """Return whether a character is a hanzi, hangul, or a sign made of them."""
    blocks = ((0x1100, 0x11FF), (0x3130, 0x318F), (0x3200, 0x4DBF), (0x4E00, 0x9FFF), (0xA960, 0xA97F))
    return code >= 0x1F100 or any(
        first <= code <= last for first, last in (*blocks, (0xAC00, 0xD7FF), (0xF900, 0xFAFF))
    )


def rename(font: TTFont, weight: str) -> None:
    for record in list(font["name"].names):
        if record.nameID in (1, 4, 6, 16):
            text = _NAMES[record.nameID] + {4: f" {weight}", 6: f"-{weight}"}.get(record.nameID, "")
            font["name"].setName(text, record.nameID, record.platformID, record.platEncID, record.langID)
    cff = font["CFF "].cff
    cff.fontNames = [f"{_NAMES[6]}-{weight}"]
    cff.topDictIndex[0].FamilyName = FAMILY
    cff.topDictIndex[0].FullName = f"{FAMILY} {weight}"


def licence() -> str:
    """Return the package's Open Font License below the copyright of the font's own table."""
    lines = LICENCE.read_text(encoding="utf-8").splitlines()
    first = lines.index("License: SIL-1.1", lines.index("License: GPL-3+")) + 1
    last = next(place for place in range(first, len(lines)) if lines[place] and not lines[place].startswith(" "))
    text = "\n".join(re.sub(r"^ \.?", "", line) for line in lines[first:last]).strip()
    with TTFont(SOURCES / "NotoSansCJK-Regular.ttc", fontNumber=_SIMPLIFIED_CHINESE) as font:
        copyright_line = font["name"].getDebugName(0)
    head = f"{FAMILY} is a part of Noto Sans CJK SC under another name.\n{copyright_line}\n{_PACKAGE_COPYRIGHT}\n"
    return f"{head}\nThis Font Software is licensed under the SIL Open Font License, Version 1.1.\n\n{text}\n"


if __name__ == "__main__":
    main()
