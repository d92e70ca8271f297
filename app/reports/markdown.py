"""The report as one Markdown file for people.

Pictures are small JPEGs inside the file (reference links at its end), so that it can be sent as it is. Words of a
model, a file name or a screen are escaped: they cannot become headings, links or HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from app.domain import Analysis, Language
from app.pictures import smaller
from app.reports.document import (
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
    Tone,
    words,
)
from app.reports.markdown_text import escape, escape_words, fenced, on_line, table
from app.reports.story import document

PICTURE_SIDE = 480  # pixels of the longer side; about 20 KB a picture
_SIGNS: dict[Tone, str] = {"warning": "⚠️ ", "error": "❌ "}


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 Markdown (CommonMark with tables)."""
    told = document(analysis, language)
    lines = [f"# {escape(told.title)}", "", *(line for block in told.blocks for line in _lines(block))]
    lines += (_defined(block) for block in told.blocks if isinstance(block, Picture))
    return ("\n".join(lines) + "\n").encode()


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(level, line):
            yield from (f"{'#' * level} {_inline(line)}", "")
        case Paragraph(line, tone):
            yield from _paragraph(line, tone)
        case Listing(items):
            yield from (*(f"- {_inline(item)}" for item in items), "")
        case Table(heads, rows, numbers):
            columns = len(rows[0]) if rows else len(heads)
            named = [_inline(head) for head in heads] or [""] * columns
            yield from table(named, [[_inline(cell) for cell in row] for row in rows], numbers=numbers)
        case Picture():
            yield from (f"![{escape(block.alt)}][f{block.number}]", "")
        case Gallery() | Timeline():  # drawn for the eye; what they hold is said elsewhere
            pass
        case _:
            yield from fenced(block.text)


def _paragraph(line: Line, tone: Tone) -> Iterator[str]:
    """What must be noticed is quoted, line by line."""
    if tone == "plain":
        yield from (_inline(line), "")
        return
    text = words(line)
    sign = _SIGNS.get(tone, "")
    signed = text if text.startswith(tuple(_SIGNS.values())) else f"{sign}{text}"
    yield from ("  \n".join(f"> {escape(one)}" for one in signed.splitlines()), "")


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


def _defined(picture: Picture) -> str:
    small = base64.b64encode(smaller(picture.jpeg, PICTURE_SIDE)).decode("ascii")
    return f"[f{picture.number}]: data:image/jpeg;base64,{small}"
