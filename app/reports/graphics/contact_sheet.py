"""From keyframes to one JPEG on which all of them stand in rows, each with its number and time below it.

Its columns follow from how many frames there are and how wide they are; it is at most MAX_WIDTH pixels wide.

Those of the machine are found by name. A character that the best font lacks is drawn as "?", never as an empty box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.core.domain import Analysis, Keyframe, KeyframesChosen, Language, VideoInfo, clock
from app.i18n import t
from app.reports.graphics.fonts import REGULAR

MAX_WIDTH = 3000
_MARGIN, _GAP = 24, 12
_TITLE_SIZES, _LABEL_SIZES = (28, 56), (18, 28)  # at least and at most, in pixels; they grow with the sheet
_LEAST_WIDTH = 640  # of the sheet, so that a title has room
_LEAST_SIDE, _LEAST_CELL = 240, 160  # smaller, a picture tells nothing and its label has no room
_MOST_SIDE, _MOST_SIDE_ALONE = 640, 1280
_MOST_ASPECT = 4.0
_SHEET_ASPECT = 1.6
_QUALITY = 88
_PAPER, _EDGE, _INK, _PALE = (255, 255, 255), (208, 208, 208), (24, 24, 24), (104, 104, 104)
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


@dataclass(frozen=True)
class Grid:
    """Columns and rows of cells; `width` and `height` are those of the picture in a cell, in pixels."""

    columns: int
    rows: int
    width: int
    height: int

    @property
    def sheet_width(self) -> int:
        return max(_LEAST_WIDTH, 2 * _MARGIN + self.columns * (self.width + _GAP) - _GAP)

    @property
    def sheet_height(self) -> int:
        return self.corner(self.rows * self.columns)[1] + _MARGIN

    @property
    def title_size(self) -> int:
        return _within(self.sheet_width // 50, _TITLE_SIZES)

    @property
    def label_size(self) -> int:
        return _within(self.width // 20, _LABEL_SIZES)

    def corner(self, place: int) -> tuple[int, int]:
        """Where the cell of the frame at `place` (from 0) begins."""
        row, column = divmod(place, self.columns)
        head = _MARGIN + 5 * self.title_size // 2
        return _MARGIN + column * (self.width + _GAP), head + row * (self.height + 5 * self.label_size // 2)


def _within(size: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], size))


def write(analysis: Analysis, language: Language) -> bytes:
    """The sheet of an analysis, from its keyframes as they were kept."""
    return sheet_of(analysis.video, KeyframesChosen(analysis.keyframes, analysis.decode), language)


def sheet_of(video: VideoInfo, chosen: KeyframesChosen, language: Language) -> bytes:
    """The sheet of chosen keyframes, headed by the name of their video."""
    note = t(
        "report.sheet",
        language,
        count=len(chosen.keyframes),
        time=clock(chosen.decode.readable_seconds),
        width=video.width,
        height=video.height,
    )
    return sheet(chosen.keyframes, title=video.name, note=note)


def sheet(frames: Sequence[Keyframe], *, title: str, note: str) -> bytes:
    """A JPEG: title, note, and the frames in their order."""
    grid = grid_of(frames)
    paper = Image.new("RGB", (grid.sheet_width, grid.sheet_height), _PAPER)
    pen = ImageDraw.Draw(paper)
    room, size = paper.width - 2 * _MARGIN, grid.title_size
    _write(pen, (_MARGIN, _MARGIN - size // 4), title, size, room, _INK)
    _write(pen, (_MARGIN, _MARGIN + 5 * size // 4), note, 3 * size // 5, room, _PALE)
    for place, frame in enumerate(frames):
        left, top = grid.corner(place)
        _place(paper, frame, left, top, grid)
        _label(pen, frame, left, top + grid.height + grid.label_size // 4, grid)
    buffer = BytesIO()
    paper.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def grid_of(frames: Sequence[Keyframe]) -> Grid:
    """A sheet about as wide as a screen, with few cells left empty, and no picture enlarged but a tiny one."""
    widths, heights = [frame.width for frame in frames] or [16], [frame.height for frame in frames] or [9]
    aspect = min(_MOST_ASPECT, max(1 / _MOST_ASPECT, max(widths) / max(heights)))
    least = max(_LEAST_CELL, round(_LEAST_SIDE * min(1.0, aspect)))
    columns = _columns(len(frames), aspect, (MAX_WIDTH - 2 * _MARGIN + _GAP) // (least + _GAP))
    most_side = _MOST_SIDE if len(frames) > 1 else _MOST_SIDE_ALONE
    side = min(most_side, max(*widths, *heights))
    room = (MAX_WIDTH - 2 * _MARGIN + _GAP) // columns - _GAP
    width = min(room, max(least, round(side * min(1.0, aspect))))
    return Grid(columns, math.ceil(len(frames) / columns), width, round(width / aspect))


def _columns(count: int, aspect: float, most: int) -> int:
    ideal = math.sqrt(max(1, count) * _SHEET_ASPECT / aspect)
    possible = {max(1, min(most, count, number)) for number in range(int(ideal), math.ceil(ideal) + 2)}
    return min(possible, key=lambda number: (-count % number, -number))  # as few gaps as can be, rather wide than high


def _place(paper: Image.Image, frame: Keyframe, left: int, top: int, grid: Grid) -> None:
    with Image.open(BytesIO(frame.jpeg)) as stored:
        stored.draft("RGB", (grid.width, grid.height))  # decoded no larger than needed
        picture = ImageOps.contain(stored.convert("RGB"), (grid.width, grid.height))
    x, y = left + (grid.width - picture.width) // 2, top + (grid.height - picture.height) // 2
    paper.paste(_EDGE, (x - 1, y - 1, x + picture.width + 1, y + picture.height + 1))  # a white slide has one, too
    paper.paste(picture, (x, y))


def _label(pen: ImageDraw.ImageDraw, frame: Keyframe, left: int, top: int, grid: Grid) -> None:
    size = grid.label_size
    used = _write(pen, (left, top), str(frame.number), size, grid.width, _INK) + size // 2
    _write(pen, (left + used, top), clock(frame.time_seconds), size, grid.width - used, _PALE)


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, room: int, ink: tuple[int, int, int]
) -> int:
    """Draws the text and tells how wide it became."""
    font, drawable = lettered(text, size, room)
    pen.text(place, drawable, font=font, fill=ink)
    return math.ceil(font.getlength(drawable))


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
