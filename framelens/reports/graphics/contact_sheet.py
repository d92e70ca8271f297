"""Contact sheet: a JPEG with all keyframes in rows, each with its number and time below it.

The number of columns follows from the number and shape of the frames; the sheet is at most MAX_WIDTH pixels wide.
Texts are drawn in the project's own font or in a font of this machine, found by name, that has more of the characters.
A character that the best font lacks is drawn as "?", never as an empty box.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

from framelens.core.domain import Analysis, Keyframe, Language, VideoInfo
from framelens.core.events import KeyframesChosen
from framelens.core.units import clock
from framelens.i18n import in_language, t
from framelens.reports.graphics.fonts import FONT_FILE

MAX_WIDTH = 3000
_MARGIN, _GAP = 24, 12
_TITLE_SIZES, _LABEL_SIZES = (28, 56), (18, 28)  # minimum and maximum in pixels; sizes grow with the sheet
_LEAST_WIDTH = 640  # of the sheet, for the title
_LEAST_SIDE, _LEAST_CELL = 240, 160  # smaller pictures are unrecognisable, and their labels don't fit
_MOST_SIDE, _MOST_SIDE_ALONE = 640, 1280
_MOST_ASPECT = 4.0
_SHEET_ASPECT = 1.6
_QUALITY = 88
"""JPEG quality. The sizes above are in pixels."""
_PAPER, _EDGE, _INK, _PALE = (255, 255, 255), (208, 208, 208), (24, 24, 24), (104, 104, 104)
Font = ImageFont.FreeTypeFont
# File and index in the file: the project's own font, then the usual fonts of each system, fonts with Chinese first.
_FONTS = (
    (str(FONT_FILE), 0),
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
"""Characters kept at the end of a shortened name: its suffix and a number before it."""


@dataclass(frozen=True)
class Grid:
    """Columns and rows of cells. `width` and `height` are the size of the picture in a cell, in pixels."""

    columns: int
    rows: int
    width: int
    height: int

    @property
    def sheet_width(self) -> int:
        """Return the width of the sheet in pixels."""
        return max(_LEAST_WIDTH, 2 * _MARGIN + self.columns * (self.width + _GAP) - _GAP)

    @property
    def sheet_height(self) -> int:
        """Return the height of the sheet in pixels."""
        return self.corner(self.rows * self.columns)[1] + _MARGIN

    @property
    def title_size(self) -> int:
        """Return the font size of the title in pixels."""
        return _clamp(self.sheet_width // 50, _TITLE_SIZES)

    @property
    def label_size(self) -> int:
        """Return the font size of the labels in pixels."""
        return _clamp(self.width // 20, _LABEL_SIZES)

    def corner(self, index: int) -> tuple[int, int]:
        """Return the top left corner of the cell at `index`, counted from 0."""
        row, column = divmod(index, self.columns)
        head = _MARGIN + 5 * self.title_size // 2
        return _MARGIN + column * (self.width + _GAP), head + row * (self.height + 5 * self.label_size // 2)


def _clamp(size: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], size))


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the sheet of an analysis from its stored keyframes, as a JPEG."""
    with in_language(language):
        return sheet_of(analysis.video, KeyframesChosen(analysis.pictured, analysis.decode))


def sheet_of(video: VideoInfo, chosen: KeyframesChosen) -> bytes:
    """Return the sheet of chosen keyframes, titled with the name of their video, as a JPEG."""
    note = t(
        "report.sheet",
        count=len(chosen.keyframes),
        time=clock(chosen.decode.readable_seconds),
        width=video.width,
        height=video.height,
    )
    return sheet(chosen.keyframes, title=video.name, note=note)


def sheet(frames: Sequence[Keyframe], *, title: str, note: str) -> bytes:
    """Draw title, note and frames in their order, and return the sheet as a JPEG."""
    grid = grid_of(frames)
    paper = Image.new("RGB", (grid.sheet_width, grid.sheet_height), _PAPER)
    pen = ImageDraw.Draw(paper)
    width, size = paper.width - 2 * _MARGIN, grid.title_size
    _write(pen, (_MARGIN, _MARGIN - size // 4), title, size, width, _INK)
    _write(pen, (_MARGIN, _MARGIN + 5 * size // 4), note, 3 * size // 5, width, _PALE)
    for index, frame in enumerate(frames):
        left, top = grid.corner(index)
        _draw_frame(paper, frame, left, top, grid)
        _label(pen, frame, left, top + grid.height + grid.label_size // 4, grid)
    buffer = BytesIO()
    paper.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def grid_of(frames: Sequence[Keyframe]) -> Grid:
    """Return a grid in the shape of a screen with few empty cells, which enlarges only tiny pictures."""
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
    return min(possible, key=lambda number: (-count % number, -number))  # fewest gaps, then most columns


def _draw_frame(paper: Image.Image, frame: Keyframe, left: int, top: int, grid: Grid) -> None:
    with Image.open(BytesIO(frame.jpeg)) as stored:
        stored.draft("RGB", (grid.width, grid.height))  # decode no larger than needed
        picture = ImageOps.contain(stored.convert("RGB"), (grid.width, grid.height))
    x, y = left + (grid.width - picture.width) // 2, top + (grid.height - picture.height) // 2
    paper.paste(_EDGE, (x - 1, y - 1, x + picture.width + 1, y + picture.height + 1))  # visible on white
    paper.paste(picture, (x, y))


def _label(pen: ImageDraw.ImageDraw, frame: Keyframe, left: int, top: int, grid: Grid) -> None:
    size = grid.label_size
    used = _write(pen, (left, top), str(frame.number), size, grid.width, _INK) + size // 2
    _write(pen, (left + used, top), clock(frame.time_seconds), size, grid.width - used, _PALE)


def _write(
    pen: ImageDraw.ImageDraw, position: tuple[int, int], text: str, size: int, width: int, ink: tuple[int, int, int]
) -> int:
    """Draw the text and return its width in pixels."""
    font, drawable = fit_text(text, size, width)
    pen.text(position, drawable, font=font, fill=ink)
    return math.ceil(font.getlength(drawable))


def fit_text(text: str, size: int, width: int) -> tuple[Font, str]:
    """Return the best font for `text` at `size` pixels, and the drawable text cut to `width` pixels."""
    text = "".join(letter if letter.isprintable() else _MISSING for letter in text)
    font = min(_fonts(size), key=lambda candidate: len(_lacking(candidate, text)))  # the first of the best fonts
    lacking = _lacking(font, text + _ELLIPSIS)
    drawable = "".join(_MISSING if letter in lacking else letter for letter in text)
    return font, _shorten(drawable, font, width, "..." if _ELLIPSIS in lacking else _ELLIPSIS)


def _shorten(text: str, font: Font, width: int, ellipsis: str) -> str:
    """Remove characters before the tail until the text fits."""
    head, tail = text[:-_TAIL], text[-_TAIL:]
    while font.getlength(text) > width and (head or tail):
        head, tail = (head[:-1], tail) if head else (head, tail[1:])
        text = f"{head}{ellipsis}{tail}"
    return text


@lru_cache(maxsize=8)
def _fonts(size: int) -> tuple[Font, ...]:
    return tuple(_load_fonts(size))


def _load_fonts(size: int) -> Iterator[Font]:
    for name, index in _FONTS:
        try:
            yield ImageFont.truetype(name, size, index)
        except OSError:
            continue


def _lacking(font: Font, text: str) -> set[str]:
    """Return the characters that the font draws as its sign for a missing character."""
    return {
        letter for letter in set(text) if not letter.isspace() and _drawn(font, letter) == _drawn(font, _NO_CHARACTER)
    }


@lru_cache(maxsize=4096)
def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
