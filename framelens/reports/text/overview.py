"""Page about several reports: texts and tables in the look of a report, as one HTML file."""

from collections.abc import Iterator
from dataclasses import dataclass

from framelens.core.domain import Language
from framelens.i18n import in_language, t
from framelens.reports.content.document import (
    Block,
    Document,
    DocumentFacts,
    Heading,
    Line,
    Listing,
    Paragraph,
    Span,
    Table,
    Tone,
    text_line,
)
from framelens.reports.content.provenance import aigc_fields, aigc_line
from framelens.reports.text.html import render_html

Cell = str | tuple[str, str]
"""A text, or a text with the relative address that it leads to."""


@dataclass(frozen=True)
class OverviewSection:
    """Section of the page; what is empty is left out.

    Attributes:
        anchor: Unique in the page, of ASCII letters, digits and hyphens.
        paragraphs: Texts, each with its tone.
        items: Texts of a list.
        heads: Heads of a table; without them its first column is the header.
        rows: Rows of the table.
    """

    anchor: str = ""
    heading: str = ""
    paragraphs: tuple[tuple[str, Tone], ...] = ()
    items: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()

    def blocks(self) -> Iterator[Block]:
        """Yield what the section shows."""
        if self.heading:
            yield Heading(2, text_line(self.heading), self.anchor)
        yield from (Paragraph(text_line(text), tone) for text, tone in self.paragraphs)
        if self.items:
            yield Listing(tuple(map(text_line, self.items)))
        if self.rows:
            yield Table(tuple(map(text_line, self.heads)), tuple(tuple(map(_line, row)) for row in self.rows))


@dataclass(frozen=True)
class Overview:
    """The page.

    Attributes:
        id: The id of its content, for the label of generated texts.
        created: ISO time.
        model: The models whose texts it quotes, "" without any.
    """

    title: str
    language: Language
    sections: tuple[OverviewSection, ...]
    id: str
    created: str
    app_version: str
    model: str = ""

    def to_html(self) -> bytes:
        """Return the page as HTML in UTF-8."""
        label = aigc_line(aigc_fields(self.model, self.app_version, self.id))
        ai_label = t("report.ai_label", self.language, model=self.model) if self.model else ""
        facts = DocumentFacts("", self.created, f"FrameLens {self.app_version}", self.model, ai_label, label, self.id)
        blocks = tuple(block for section in self.sections for block in section.blocks())
        with in_language(self.language):
            return render_html(Document(self.title, self.language, facts, blocks), lambda seconds: "")


def _line(cell: Cell) -> Line:
    return text_line(cell) if isinstance(cell, str) else (Span(cell[0], address=cell[1]),)
