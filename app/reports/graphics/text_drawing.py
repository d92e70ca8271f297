"""From a text to letters on a picture: in our own font, or in one of this machine that knows more of them.

Those of the machine are found by name. A character that the best font lacks is drawn as "?", never as an empty box.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from PIL import ImageFont

from app.reports.graphics.fonts import REGULAR

Font = ImageFont.FreeTypeFont

# File and place in it: our own, then each system's usual ones, those that know Chinese first.
_FONTS = (
    (str(REGULAR), 0),
    ("NotoSansCJK-Regular.ttc", 2),
    ("NotoSansCJKsc-Regular.otf", 0),
    ("NotoSansSC-Regular.otf", 0),
    ("SourceHanSansSC-Regular.otf", 0),
    ("wqy-microhei.ttc", 0),
    ("wqy-zenhei.ttc", 0),
    ("DroidSansFallbackFull.ttf", 0),
    ("PingFang.ttc", 0),
    ("Hiragino Sans GB.ttc", 0),
    ("STHeiti Light.ttc", 0),
    ("msyh.ttc", 0),
    ("simhei.ttf", 0),
    ("simsun.ttc", 0),
    ("Arial Unicode.ttf", 0),
    ("DejaVuSans.ttf", 0),
    ("arial.ttf", 0),
)
_NO_CHARACTER = "\uffff"
_MISSING = "?"
_ELLIPSIS = "…"
_TAIL = 10
"""Characters of a name's end that stay when it is shortened: its ending, and the number before it."""


def lettered(text: str, size: int, width: int) -> tuple[Font, str]:
    """The font to draw `text` with at `size` pixels, and the text as it can be drawn, shortened to `width` pixels."""
    text = "".join(letter if letter.isprintable() else _MISSING for letter in text)
    font = min(_fonts(size), key=lambda one: len(_lacking(one, text)))  # the first of the best
    lacking = _lacking(font, text + _ELLIPSIS)
    drawable = "".join(_MISSING if letter in lacking else letter for letter in text)
    return font, _shortened(drawable, font, width, "..." if _ELLIPSIS in lacking else _ELLIPSIS)


def _shortened(text: str, font: Font, width: int, ellipsis: str) -> str:
    """Letters are taken out before the tail until it fits."""
    head, tail = text[:-_TAIL], text[-_TAIL:]
    while font.getlength(text) > width and (head or tail):
        head, tail = (head[:-1], tail) if head else (head, tail[1:])
        text = f"{head}{ellipsis}{tail}"
    return text


@lru_cache(maxsize=8)
def _fonts(size: int) -> tuple[Font, ...]:
    return tuple(_found(size))


def _found(size: int) -> Iterator[Font]:
    for name, index in _FONTS:
        try:
            yield ImageFont.truetype(name, size, index)
        except OSError:
            continue


def _lacking(font: Font, text: str) -> set[str]:
    """The letters for which the font has nothing but the sign for a missing one."""
    return {
        letter for letter in set(text) if not letter.isspace() and _drawn(font, letter) == _drawn(font, _NO_CHARACTER)
    }


@lru_cache(maxsize=4096)
def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
