"""Report as plain text for a terminal: no pictures, links or marks of Markdown."""

from collections.abc import Iterator

from framelens.core.domain import Analysis, Language
from framelens.i18n import aside, in_language
from framelens.reports.content import document as content_blocks
from framelens.reports.content.builder import document
from framelens.reports.content.document import (
    Block,
    ChapterCard,
    Chapters,
    FindingItem,
    Findings,
    Fold,
    Heading,
    Line,
    Listing,
    Measurements,
    Paragraph,
    Table,
    Verbatim,
    plain_text,
    signed,
)


def write(analysis: Analysis, language: Language) -> str:
    """Return the short report as text that ends with a line break."""
    with in_language(language):
        content = document(analysis)
        sections = (content.title, *("\n".join(_lines(block)) for block in content.blocks))
        return "\n\n".join(filter(None, sections)) + "\n"


def _lines(block: Block) -> Iterator[str]:
    """Yield the lines of a block; what is only to be looked at has none."""
    match block:
        case Heading(anchor=content_blocks.SHEET):  # pictures alone
            pass
        case Heading(line=line):
            yield plain_text(line)
        case Paragraph():
            yield plain_text(signed(block))
        case Listing():
            yield from (f"{'  ' * level}{_item(item)}" for level, item in block.leveled)
        case Measurements(items):
            yield from map(_item, items)
        case Verbatim("", text):
            yield text
        case Fold(summary=summary):
            yield summary
        case Chapters(cards):
            yield from map(_chapter, cards)
        case Findings(items):
            yield from map(_finding, items)
        case Table(heads, rows):
            yield from (" · ".join(filter(None, map(plain_text, row))) for row in (heads, *rows) if row)


def _item(line: Line) -> str:
    return f"- {plain_text(line)}"


def _chapter(card: ChapterCard) -> str:
    return " · ".join(filter(None, (f"- {plain_text(card.times)}", card.title, card.text)))


def _finding(item: FindingItem) -> str:
    fields = "".join(f" · {label}: {value}" for label, value in item.fields)
    return f"{_item(item.line)}{aside(plain_text(item.times))}{fields}"
