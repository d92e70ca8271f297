"""The report as Markdown for people, with its pictures in a folder beside it.

Words of a model, a file name or a screen are escaped: they cannot become headings, links or HTML.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from app.domain import Analysis, Language
from app.reports.content.ai_disclosure import in_comment
from app.reports.content.builder import document
from app.reports.content.document import (
    Block,
    Gallery,
    Heading,
    Line,
    Listing,
    Paragraph,
    Picture,
    Span,
    Table,
    Timeline,
    signed,
    words,
)
from app.reports.files import Entry, frame_file_name

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")  # a list, a heading's underline; of "1." the point is escaped


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 Markdown (CommonMark with tables)."""
    told = document(analysis, language)
    folder = _folder(analysis)
    lines = [f"# {escape(told.title)}", "", *(line for block in told.blocks for line in _lines(block, folder))]
    label = in_comment(told.facts.aigc)
    hidden = ["", f"<!-- {label} -->"] if label else []
    return ("\n".join([*lines, *hidden]).rstrip() + "\n").encode()


def pictures(analysis: Analysis) -> list[Entry]:
    """The keyframes as they were kept, where the text refers to them."""
    folder = _folder(analysis)
    return [
        Entry(f"{folder}/{frame_file_name(frame.number, frame.time_seconds)}", frame.jpeg)
        for frame in analysis.keyframes
        if frame.jpeg
    ]


def _folder(analysis: Analysis) -> str:
    """Of this analysis alone: several reports may lie in one place."""
    return f"frames-{hashlib.sha256(analysis.id.encode()).hexdigest()[:8]}"


def _lines(block: Block, folder: str) -> Iterator[str]:
    match block:
        case Heading(level, line):
            yield from (f"{'#' * level} {_inline(line)}", "")
        case Paragraph(tone="plain"):
            yield from (_inline(block.line), "")
        case Paragraph():  # what must be noticed is quoted, line by line
            yield from ("  \n".join(f"> {escape(one)}" for one in words(signed(block)).splitlines()), "")
        case Listing(items):
            yield from (*(f"- {_inline(item)}" for item in items), "")
        case Table(heads, rows, numbers):
            columns = len(rows[0]) if rows else len(heads)
            named = [_inline(head) for head in heads] or [""] * columns
            yield from table(named, [[_inline(cell) for cell in row] for row in rows], numbers=numbers)
        case Picture():
            yield from (f"![{escape(block.alt)}]({folder}/{frame_file_name(block.number, block.time_seconds)})", "")
        case Gallery() | Timeline():  # drawn for the eye; what they hold is said elsewhere
            pass
        case _:
            yield from fenced(block.text)


def _inline(line: Line) -> str:
    return on_line("".join(map(_span, line)))


def _span(span: Span) -> str:
    text = escape_words(span.text)
    match span.style:
        case "strong":
            return f"**{text}**"
        case "doubt":
            return f"⚠️ *{text}*"
        case _:
            return text


def escape(text: str) -> str:
    """Text that a Markdown reader shows as it is, on one line."""
    return on_line(escape_words(text))


def escape_words(text: str) -> str:
    """The same of words within a line; blanks at their ends stay."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))


def on_line(escaped: str) -> str:
    """Escaped words as a line of their own: what would begin a list is escaped, too."""
    return _LINE_START.sub(r"\1\\\2", escaped.strip())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> Iterator[str]:
    """A table with an empty line behind it; its cells are Markdown. `numbers` stand to the right."""
    yield _row(heads)
    yield _row(["---:" if numbers else "---"] * len(heads))
    yield from map(_row, rows)
    yield ""


def fenced(text: str) -> Iterator[str]:
    """`text` as it stands, in a fence longer than any in it."""
    fence = "`" * max(4, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    yield f"{fence}text"
    yield text
    yield fence
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
