"""From text of anybody to Markdown that shows it letter by letter: on a line, in a table, in a fence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")  # a list, a heading's underline; of "1." the point is escaped


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
