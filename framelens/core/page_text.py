"""Text of a page in reading order: columns, title, paragraphs, lists, and code with its indentation.

Positions are in heights of the picture, so that a character is as wide as it looks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise
from statistics import median, quantiles
from typing import Literal
from unicodedata import east_asian_width

from framelens.core.domain import ScreenText

BlockType = Literal["paragraph", "item", "code"]
DOUBTFUL_BELOW = 0.9
"""Confidence below which a line is marked: half of the lines there have a wrong character."""
_LARGER = 1.2
"""Height of a title, compared to the usual line of its page."""
_MOST_TITLE = 100
_ALIKE = 0.85
"""Share of the characters of a line that a second reading of it has, too."""
_SHORTEST_WRAPPED = 12
"""Characters of a line from which on the next line may continue it: a narrow column has more."""
_CELLS = " · "
"""What separates the cells of a row."""
_BULLET = re.compile(r"(?:[•·‣▪■●○◦◆▶►➢✓*]|[-–—](?=\s))\s*(?=\S)")
_NUMBER = re.compile(
    r"(?:\(?\d{1,2}[.)、](?!\d)|[a-z]\)|[一二三四五六七八九十]{1,3}、|（[一二三四五六七八九十]{1,3}）)\s*(?=\S)"
)
_SYMBOLS = re.compile(
    r"[{};=<>]|\w[(\[]|^\s*(?:[$#%>❯]\s|>>>)|^\s*(?:def|class|import|from|return|if|for|func|let|const|var)\b|\w_\w|--\w"
)
_END = tuple(".!?:;。！？：；…")
_LINE_NUMBER = re.compile(r"(\d{1,4})(?:[\s:|│]+|(?=[^\d\s.,):、/%])|$)")
_MONOSPACED = 1.5
"""Characters by which a line's width may miss its number of characters. In terminals 92 to 100 % of the lines are
within, in slides and pages of prose 40 to 88 %."""


@dataclass(frozen=True)
class PageLine:
    """A line of text at its place: edges and height in heights of the picture."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """Return the height."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Return the height of its middle."""
        return (self.top + self.bottom) / 2

    @property
    def is_doubtful(self) -> bool:
        """Return whether it was read with little confidence."""
        return self.confidence < DOUBTFUL_BELOW

    @cached_property
    def key(self) -> str:
        """Return the letters and digits, by which it is recognised."""
        return key_of(self.text)

    @cached_property
    def masked(self) -> str:
        """Return the key with each number as "0"."""
        return re.sub(r"\d+", "0", self.key) or self.key

    @property
    def is_numbering(self) -> bool:
        """Return whether it has no letters, such as "2 / 40"."""
        return not any(character.isalpha() for character in self.key)


@dataclass(frozen=True)
class TextBlock:
    """A paragraph, an item of a list at a level from 0, or preformatted text.

    `is_doubtful` if a line of it was read with little confidence.
    """

    type: BlockType
    text: str
    level: int = 0
    is_doubtful: bool = False


def key_of(text: str) -> str:
    """Return the letters and digits of a text in lower case, or the text without spaces if it has none."""
    return "".join(filter(str.isalnum, text.casefold())) or "".join(text.split())


def is_like(line: PageLine, other: PageLine) -> bool:
    """Return whether two lines at the same place were read almost alike."""
    if abs(line.middle - other.middle) > 0.02 or abs(line.left - other.left) > 0.04:
        return False
    if line.key == other.key:
        return True
    longer = max(len(line.key), len(other.key))
    if longer < 5 or abs(len(line.key) - len(other.key)) > 0.2 * longer:
        return False
    if sum((Counter(line.key) & Counter(other.key)).values()) < _ALIKE * longer:  # of most lines, and quickly known
        return False
    if re.findall(r"\d+", line.key) != re.findall(r"\d+", other.key):
        return False
    return SequenceMatcher(None, line.key, other.key, autojunk=False).ratio() >= _ALIKE


def lines_of(texts: Iterable[ScreenText], aspect: float) -> tuple[PageLine, ...]:
    """Return the texts of a frame as lines; parts of a line with a small gap between them are joined."""
    read = [
        PageLine(
            " ".join(text.text.split()),
            text.confidence,
            text.box[0] * aspect,
            text.box[1],
            text.box[2] * aspect,
            text.box[3],
        )
        for text in texts
        if text.text.strip() and text.box[3] > text.box[1]
    ]
    joined: list[PageLine] = []
    for line in sorted(read, key=lambda line: (line.left, line.top)):
        index = next((index for index, before in enumerate(joined) if _is_next(before, line)), None)
        if index is None:
            joined.append(line)
        else:
            joined[index] = _join_lines(joined[index], line)
    return tuple(sorted(joined, key=lambda line: (line.top, line.left)))


def _is_next(line: PageLine, other: PageLine) -> bool:
    """Return whether another part continues a line on the same row: after a word's gap, or after a bullet."""
    height = min(line.height, other.height)
    is_row = abs(line.middle - other.middle) < 0.4 * height and 0.6 < line.height / other.height < 1.7
    is_bullet = len(line.text) <= 2 and bool(_BULLET.match(f"{line.text} x"))
    return is_row and -0.5 * height <= other.left - line.right < (2.5 if is_bullet else 0.8) * height


def _join_lines(line: PageLine, other: PageLine) -> PageLine:
    between = "" if _is_wide(line.text[-1]) and _is_wide(other.text[0]) else " "
    return PageLine(
        f"{line.text}{between}{other.text}",
        min(line.confidence, other.confidence),
        line.left,
        min(line.top, other.top),
        max(line.right, other.right),
        max(line.bottom, other.bottom),
    )


def structured(lines: Sequence[PageLine], aspect: float) -> tuple[TextBlock, tuple[TextBlock, ...]]:
    """Return the title of a page, and the rest of its text in reading order."""
    segments = _segments([line for row in _grid(lines) for line in row], aspect)
    title = _title([line for segment in segments for line in segment])
    blocks: list[TextBlock] = []
    for segment in segments:
        rest = [line for line in segment if line not in title]
        blocks += [_code(segment)] if _is_code(segment) else _blocks(rest)
    codes = [block.text for block in blocks if block.type == "code"]
    if title and sum(map(len, codes)) < 0.5 * sum(len(line.text) for line in lines):
        whole = _blocks(title)
        return replace(whole[0], type="paragraph", text=_cut(" ".join(block.text for block in whole))), tuple(blocks)
    shown = max(codes, key=len) if codes else blocks[0].text
    rows = [line.strip() for line in shown.splitlines() if any(map(str.isalnum, line))] or [shown]
    first = next(filter(_SYMBOLS.search, rows), rows[0])  # a menu above code has no symbols of programs
    return TextBlock("paragraph", _cut(first)), tuple(blocks)


def rows_of(title: str, body: Iterable[TextBlock]) -> tuple[str, ...]:
    """Return the rows of a page; a title that is in the body isn't repeated."""
    texts = [block.text for block in body]
    own = [] if any(title.rstrip("…") in text for text in texts) else [title]
    return tuple(row.strip() for text in (*own, *texts) for row in text.splitlines())


def _cut(text: str) -> str:
    """Return a text of at most 100 characters: whole sentences if one ends there, else words."""
    if len(text) <= _MOST_TITLE:
        return text
    sentence = re.match(rf".{{10,{_MOST_TITLE}}}?[.!?。！？](?=\s|[^\x00-\x7f])", text)
    beginning = text[: _MOST_TITLE - 1]
    return sentence[0] if sentence else f"{(beginning.rpartition(' ')[0] or beginning).rstrip()}…"


def _title(ordered: Sequence[PageLine]) -> list[PageLine]:
    """Return the lines of the title: the largest at the top if they are larger than the others, or a short first line.

    Without such lines, the title is the beginning of the text, which is returned as the body.
    """
    lines = [line for line in ordered if not line.is_numbering] or list(ordered)
    usual = sorted(line.height for line in ordered)[(len(ordered) - 1) // 2]
    largest = max(line.height for line in lines)
    tall = [line for line in lines if line.height >= 0.85 * largest and line.middle < 0.6]
    if not tall or (largest < _LARGER * usual and len(lines) > 2):
        is_single = len(lines[0].text) <= _MOST_TITLE and not (
            len(lines) > 1 and _is_wrapped([lines[0]], lines[1], lines)
        )
        return [lines[0]] if is_single else []
    title = [tall[0]]
    for line in tall[1:]:
        last = title[-1]
        if 0 <= line.top - last.bottom < 0.8 * last.height and len(title) < 3:
            title.append(line)
    return title


# ---- reading order --------------------------------------------------------------------------------------------------


def _grid(lines: Iterable[PageLine]) -> list[list[PageLine]]:
    """Return the rows of lines from top to bottom, each from left to right."""
    rows: list[list[PageLine]] = []
    for line in sorted(lines, key=lambda line: line.middle):
        if rows and line.middle - rows[-1][0].middle < 0.5 * min(line.height, rows[-1][0].height):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.left) for row in rows]


def _segments(lines: list[PageLine], aspect: float) -> list[list[PageLine]]:
    """Return lines in reading order: columns one after the other where a gutter separates them."""
    if len(lines) < 4 or not (gutter := _gutter(lines, aspect)):
        return [lines] if lines else []
    first, last, edge = gutter
    within = lines[first:last]
    left, right = [line for line in within if line.right <= edge], [line for line in within if line.right > edge]
    return [
        *([lines[:first]] if first else []),
        *_segments(left, aspect),
        *_segments(right, aspect),
        *_segments(lines[last:], aspect),
    ]


def _gutter(lines: Sequence[PageLine], aspect: float) -> tuple[int, int, float] | None:
    """Return the longest run [first, last) of lines that a vertical gutter separates, and its place.

    A run ends at a line across the gutter, and at a wide gap, such as that above a footer.
    """
    best: tuple[int, float, int, int, float] | None = None
    gaps = {index for index in range(1, len(lines)) if _is_apart(lines[:index], lines[index])}
    for edge in sorted({line.right for line in lines}):
        at, first = edge + 0.001, 0
        for index in range(len(lines) + 1):
            is_across = index < len(lines) and lines[index].left < at + 0.02 * aspect and lines[index].right > at
            if index < len(lines) and not is_across and index not in gaps:
                continue
            run = lines[first:index]
            left, right = [line for line in run if line.right <= at], [line for line in run if line.right > at]
            if _are_columns(left, right):
                width = min(line.left for line in right) - max(line.right for line in left)
                if best is None or (len(run), width) > best[:2]:
                    best = (len(run), width, first, index, at)
            first = index + 1 if is_across else index
    return best and (best[2], best[3], best[4])


def _is_apart(above: Sequence[PageLine], line: PageLine) -> bool:
    gap = line.top - max(other.bottom for other in above[-4:])
    return gap > 0.15 and gap > 4 * line.height


def _are_columns(left: Sequence[PageLine], right: Sequence[PageLine]) -> bool:
    """Return whether both sides are text to be read by itself, beside each other, and not the cells of rows."""
    if len(left) < 2 or len(right) < 2:
        return False
    overlap = min(left[-1].bottom, right[-1].bottom) - max(left[0].top, right[0].top)
    if overlap < 0.3 * min(left[-1].bottom - left[0].top, right[-1].bottom - right[0].top):
        return False
    if sum(line.is_numbering for line in left) > 0.5 * len(left):  # numbers of the lines to the right
        return False
    return not _are_cells(left, right)


def _are_cells(left: Sequence[PageLine], right: Sequence[PageLine]) -> bool:
    """Return whether lines are the cells of a table: short lines in the same rows, without bullets, or numbers."""
    cells = [line for line in right if line not in (_line_numbers(right) or {})]
    if sum(line.is_numbering for line in cells) >= 0.6 * max(1, len(cells)):
        return True
    if any(_bullet(line.text) for line in (*left, *right)):
        return False
    counts = [sum(abs(line.middle - other.middle) < 0.4 * line.height for other in (*left, *cells)) for line in left]
    if sum(count > 2 for count in counts) >= 0.5 * len(counts):
        return True
    rows = sum(any(abs(line.middle - other.middle) < 0.4 * line.height for other in right) for line in left)
    is_short = median(len(line.text) for line in (*left, *right)) < 20
    return is_short and rows >= 0.8 * len(left) and len(right) >= len(left)


# ---- paragraphs and lists -------------------------------------------------------------------------------------------


def _blocks(lines: Sequence[PageLine]) -> list[TextBlock]:
    """Return paragraphs and items; a wrapped line continues the line before."""
    blocks: list[TextBlock] = []
    groups: list[list[PageLine]] = []
    for line in _rows(lines):
        if groups and _is_wrapped(groups[-1], line, lines):
            groups[-1].append(line)
        else:
            groups.append([line])
    bulleted = [bool(_bullet(group[0].text)) for group in groups]
    lefts = _levels([group[0] for group, is_item in zip(groups, bulleted, strict=True) if is_item])
    for index, group in enumerate(groups):
        text, is_doubtful = _text(group), any(line.is_doubtful for line in group)
        if not bulleted[index]:
            bulleted[index] = _is_unmarked_item(groups, bulleted, index)
        if bulleted[index]:
            level = min(range(len(lefts)), key=lambda at: abs(lefts[at] - group[0].left), default=0)
            blocks.append(TextBlock("item", text[len(_bullet(text)) :], level, is_doubtful))
        else:
            blocks.append(TextBlock("paragraph", text, 0, is_doubtful))
    return blocks


def _bullet(text: str) -> str:
    """Return the bullet before a text; a number is part of the text."""
    match = _BULLET.match(text)
    return match[0] if match else ""


def _rows(lines: Sequence[PageLine]) -> Iterator[PageLine]:
    """Yield lines; the cells of a row are one line."""
    row: PageLine | None = None
    for line in lines:
        if row and abs(line.middle - row.middle) < 0.4 * min(line.height, row.height) and line.left > row.right:
            row = replace(_join_lines(row, line), text=f"{row.text}{_CELLS}{line.text}")
            continue
        if row:
            yield row
        row = line
    if row:
        yield row


def _levels(lines: Sequence[PageLine]) -> list[float]:
    """Return the left edges of the levels of a list."""
    lefts: list[float] = []
    for line in sorted(lines, key=lambda line: line.left):
        if not lefts or line.left - lefts[-1] > 0.6 * line.height:
            lefts.append(line.left)
    return lefts


def _is_unmarked_item(groups: Sequence[list[PageLine]], bulleted: Sequence[bool], index: int) -> bool:
    """Return whether a line is in a list although no bullet was read: beside items, or in a row of short lines."""
    line = groups[index][0]
    if _NUMBER.match(line.text):
        return True
    near = [at for at in (index - 1, index + 1) if 0 <= at < len(groups)]
    if any(bulleted[at] and _is_aligned(groups[at][0], line) for at in near):
        return True
    run = 1
    for step in (-1, 1):
        at = index + step
        while 0 <= at < len(groups) and _is_short(groups[at]) and _is_aligned(groups[at][0], line):
            run, at = run + 1, at + step
    return run >= 3 and _is_short(groups[index])


def _is_short(group: Sequence[PageLine]) -> bool:
    return len(group) == 1 and not group[0].text.rstrip().endswith(_END) and len(group[0].text) < 80


def _is_aligned(item: PageLine, line: PageLine) -> bool:
    """Return whether a line begins where an item or its text does."""
    is_near = min(abs(item.top - line.bottom), abs(line.top - item.bottom)) < 2.5 * line.height
    return is_near and -0.5 * line.height < line.left - item.left < 1.5 * line.height


def _is_wrapped(group: Sequence[PageLine], line: PageLine, lines: Sequence[PageLine]) -> bool:
    """Return whether a line continues a paragraph or an item: close below it, and its first word had no room there."""
    last, first = group[-1], group[0]
    gap = line.top - last.bottom
    if _CELLS in last.text or _CELLS in line.text:
        return False
    if _bullet(line.text) or _NUMBER.match(line.text) or not -0.3 * line.height < gap < 0.9 * line.height:
        return False
    if not 0.75 < line.height / last.height < 1.34 or line.is_numbering or _width(last.text) < _SHORTEST_WRAPPED:
        return False
    indent = line.left - first.left
    most = 3.0 if _bullet(first.text) or _NUMBER.match(first.text) else 0.6
    if not -0.6 * line.height < indent < most * line.height:
        return False
    column = max(other.right for other in lines if other.left < last.right and other.right > last.left)
    word = line.text.split()[0] if not _is_wide(line.text[0]) else line.text[0]
    width = (line.right - line.left) * _width(word) / max(1, _width(line.text))
    if last.right + width + 0.8 * line.height < column:
        return False
    is_lower = line.text[0].islower() and not first.text.removeprefix(_bullet(first.text))[:1].islower()
    if is_lower or last.text.endswith(("-", ",", "，", "、")):
        return True
    is_open = not last.text.endswith(_END)
    gaps = [after.top - before.bottom for before, after in pairwise(lines) if after.top >= before.bottom]
    is_close = gap < 0.8 * max(gaps, default=gap) or gap < 0.35 * line.height
    return is_close and (is_open or len(lines) > 3)


def _text(group: Sequence[PageLine]) -> str:
    joined = group[0].text
    for line in group[1:]:
        is_glued = joined.endswith("-") or (_is_wide(joined[-1]) and _is_wide(line.text[0]))
        joined = f"{joined}{'' if is_glued else ' '}{line.text}"
    return joined


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in "WF"


def _width(text: str) -> int:
    return len(text) + sum(map(_is_wide, text))


# ---- code -----------------------------------------------------------------------------------------------------------


def _is_code(lines: Sequence[PageLine]) -> bool:
    """Return whether lines are code or a terminal: characters of one width, and symbols of programs."""
    long = [line for line in lines if len(line.text) >= 8]
    if len(long) < 3 or any(_BULLET.match(line.text) for line in lines):
        return False
    wide = sum(_width(line.text) - len(line.text) for line in long)
    if wide > 0.3 * sum(len(line.text) for line in long):
        return False
    if max(line.height for line in long) > 1.6 * median(line.height for line in long):
        return False
    symbolic = sum(bool(_SYMBOLS.search(_without_number(line.text))) for line in long) / len(long)
    usual = median((line.right - line.left) / len(line.text) for line in long)
    errors = sorted(abs((line.right - line.left) / usual - len(line.text)) for line in long)
    is_even = len(long) >= 5 and errors[int(0.9 * (len(errors) - 1))] < _MONOSPACED
    if is_even and (symbolic > 0 or errors[int(0.95 * (len(errors) - 1))] < 1):
        return True
    numbered = _line_numbers(lines)
    return (symbolic >= 0.5 and errors[len(errors) // 2] < _MONOSPACED) or (numbered is not None and len(numbered) >= 8)


def _without_number(text: str) -> str:
    return _LINE_NUMBER.sub("", text, count=1) if _LINE_NUMBER.match(text) else text


def _line_numbers(lines: Sequence[PageLine]) -> dict[PageLine, str] | None:
    """Map lines to their line numbers if they are numbered from top to bottom at even distances, else None."""
    numbers = [(line, match[1]) for line in lines if (match := _LINE_NUMBER.match(line.text))]
    numbers.sort(key=lambda pair: pair[0].middle)
    steps = [
        (line.middle - above.middle) / max(0.1, int(number) - int(before))
        for (above, before), (line, number) in pairwise(numbers)
    ]
    if len(steps) < 2:
        return None
    usual = median(steps)
    even = sum(abs(step - usual) < 0.15 * usual for step in steps)
    return dict(numbers) if even >= 0.8 * len(steps) else None


def _code(lines: Sequence[PageLine]) -> TextBlock:
    """Return lines with the indentation that their places show."""
    numbers = _line_numbers(lines) or {}
    long = [(line.right - line.left) / len(line.text) for line in lines if len(line.text) >= 8]
    character = quantiles(long, n=4)[0] if len(long) > 1 else long[0]
    written = [cells for row in _grid(lines) if (cells := _row(row, numbers, character))[1]]
    edge = min(indent for indent, _ in written)
    edge = median(indent for indent, _ in written if indent < edge + 1.5 * character)
    shown = [" " * max(0, round((indent - edge) / character)) + text for indent, text in written]
    return TextBlock("code", "\n".join(shown), 0, any(line.is_doubtful for line in lines))


def _row(row: Sequence[PageLine], numbers: dict[PageLine, str], character: float) -> tuple[float, str]:
    """Return the left edge and the text of a row without its line number."""
    text, edge, right = "", row[0].left, row[0].left
    for line in row:
        part, left = line.text, line.left
        if line in numbers:
            number = numbers[line]
            part = part[len(number) :].lstrip(" .:|│")
            left = line.right - len(part) * character  # blanks within a line are lost, but they show in its width
        if not part:
            continue
        text = f"{text}{' ' * max(1, round((left - right) / character))}{part}" if text else part
        edge, right = (left if text == part else edge), line.right
    return edge, text
