"""The report as Markdown for people, with its pictures in a folder beside it.

Words of a model, a file name or a screen are escaped: they cannot become headings, links or HTML.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

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
from app.reports.files import Entry
from app.reports.frame_files import file_name
from app.reports.text.markdown_escape import escape, escape_words, fenced, on_line, table


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
        Entry(f"{folder}/{file_name(frame.number, frame.time_seconds)}", frame.jpeg)
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
            yield from (f"![{escape(block.alt)}]({folder}/{file_name(block.number, block.time_seconds)})", "")
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
