"""Report as a Word document (DOCX) with headings, lists, tables and links.

It uses only features that Word and LibreOffice support alike. A time is a link to that moment of the video, which works
if the video is in the report's folder.
"""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from docx.document import Document as DocxDocument
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn
from docx.oxml.shape import CT_Inline
from docx.shared import Cm
from docx.table import Table as DocxTable
from docx.table import _Cell as Cell
from docx.table import _Row
from docx.text.paragraph import Paragraph as DocxParagraph
from docx.text.run import Run

from framelens.core.domain import Analysis, Language
from framelens.core.images import smaller
from framelens.i18n import in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.document import (
    Block,
    ChapterCard,
    Chapters,
    DocumentFacts,
    FindingItem,
    Findings,
    Fold,
    Gallery,
    Heading,
    Line,
    Listing,
    Measurements,
    Paragraph,
    PictureBlock,
    Span,
    Table,
    ThumbnailRow,
    Timeline,
    Verbatim,
    signed,
    text_line,
)
from framelens.reports.content.labels import moment_address, printable
from framelens.reports.docx.template import BODY_CM, CELL, GAP, PROMPT, element, new_report, to_bytes, tone_style
from framelens.reports.graphics.chart_svg import chart_png

_PICTURE_SIDE = 1280
"""The longer side in pixels. The gallery reuses the same pictures, which takes no space."""
_PICTURE_CM = (15.0, 7.0)
"""The largest width and height of a picture."""
_MOST_COLUMNS = 4
"""Columns of pictures that belong to a paragraph."""
_CELL_MARGINS_CM = 0.4
_MOST_DOWN = 0.75
"""The largest height of a picture in a row, as a share of its width."""
_EVIDENCE_CM = (2.2, 1.65)
"""The largest width and height of the picture beside a finding."""
_TABLE, _PLAIN = "Light List Accent 1", "Normal Table"
_LOOK_HEADS, _LOOK_NAMES = "0620", "0680"
"""Flags of w:tblLook: the first row or the first column is a header (0020, 0080); no stripes (0600)."""
_TIME_CM, _NAME_CM, _NUMBER_CM = 3.0, 4.5, 3.0
"""Widths of columns of times, names and numbers."""


class BodyWriter:
    """Writer of blocks into a document. `facts` name the video that times are linked to."""

    def __init__(self, docx: DocxDocument, facts: DocumentFacts) -> None:
        self._docx, self._facts = docx, facts
        self._styles = {style.name: style.style_id for style in docx.styles}  # assigning one by name searches all
        self._links: dict[str, str] = {}
        self._images: dict[str, tuple[str, float]] = {}
        self._num_pictures = 0

    def title(self, title: str, *, on_new_page: bool = False) -> None:
        """Write a title."""
        paragraph = self._paragraph(None, "Title")
        paragraph.paragraph_format.page_break_before = on_new_page or None
        self._run(paragraph, " ".join(title.split()))

    def block(self, block: Block) -> None:
        """Write a block."""
        match block:
            case Heading():
                self._line(None, block.line, f"Heading {block.level - 1}")
            case Paragraph(tone=tone):
                style = "Normal" if tone == "plain" else tone_style(tone)
                self._line(None, _with_printed_sign(signed(block)), style)
            case Listing():
                for level, item in block.leveled:
                    self._line(None, item, _bullet(level))
            case Table():
                self._table(block)
            case PictureBlock():
                self._picture(self._paragraph(None), block, _PICTURE_CM)
            case Gallery(pictures):
                self._thumbnails(pictures, block.columns)
            case ThumbnailRow(pictures):
                self._thumbnails(pictures, min(_MOST_COLUMNS, max(3, len(pictures))))
            case Chapters(cards):
                for card, cell in zip(cards, self._cells(len(cards), block.columns), strict=True):
                    self._card(cell, card, block.columns)
            case Findings(items):
                self._findings(items)
            case Measurements(items):
                self._join_lines(self._paragraph(None, "Caption"), items)
            case Timeline():
                self._timeline(block)
            case Fold(blocks=blocks):  # a text to be read as a whole
                for inner in blocks:
                    self.block(inner)
            case Verbatim(summary, text):
                if summary:
                    self._run(self._paragraph(None, "Caption", keeps_next=True), summary)
                self._run(self._paragraph(None, PROMPT), text)

    # ---- paragraphs

    def _paragraph(self, cell: Cell | None, style: str = "Normal", *, keeps_next: bool = False) -> DocxParagraph:
        """Add a paragraph to a cell or to the end; the empty one that a cell begins with is the first."""
        if cell is None:
            paragraph = self._docx.add_paragraph()
        else:
            first = cell._tc.p_lst[0]
            paragraph = cell.add_paragraph() if len(first) or len(cell._tc.p_lst) > 1 else DocxParagraph(first, cell)
        if style != "Normal":
            paragraph._p.style = self._styles[style]
        if keeps_next:
            paragraph.paragraph_format.keep_with_next = True
        return paragraph

    def _line(self, cell: Cell | None, line: Line, style: str) -> DocxParagraph:
        paragraph = self._paragraph(cell, style)
        self._spans(paragraph, line)
        return paragraph

    def _spans(self, paragraph: DocxParagraph, line: Line) -> None:
        for span in line:
            self._span(paragraph, span)

    def _join_lines(self, paragraph: DocxParagraph, lines: Sequence[Line]) -> None:
        for index, line in enumerate(lines):
            if index:
                paragraph.add_run(" · ")
            self._spans(paragraph, line)

    def _span(self, paragraph: DocxParagraph, span: Span) -> None:
        if span.at_seconds is not None:
            run = self._run(paragraph, span.text, "Hyperlink")
            run.bold = True if span.style == "strong" else None
            self._link(paragraph, run, span.at_seconds)
        elif span.style == "strong":
            self._run(paragraph, span.text, "Strong")
        elif span.style == "doubt":
            self._run(paragraph, f"⚠ {span.text}", "Doubt")
        else:
            self._run(paragraph, span.text)

    def _run(self, paragraph: DocxParagraph, text: str, style: str = "") -> Run:
        """Add a text in a style of characters; line breaks and tabs are kept."""
        run = paragraph.add_run("\n".join(printable(text).replace("\x85", "\n").splitlines()))
        if style:
            run._r.style = self._styles[style]
        return run

    def _link(self, paragraph: DocxParagraph, run: Run, seconds: float) -> None:
        """Make the last run of a paragraph a link to a moment of the video; python-docx has no object for that."""
        address = moment_address(self._facts, seconds)
        if address not in self._links:
            self._links[address] = self._docx.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        link = element("w:hyperlink", run._r, history="1")
        link.set(qn("r:id"), self._links[address])
        paragraph._p.append(link)

    # ---- tables

    def _table(self, block: Table) -> None:
        columns = len(block.heads) or max(map(len, block.rows), default=0)
        if not (columns and block.rows):
            return
        table = self._new_table(_TABLE, _widths(block, columns), has_heads=bool(block.heads))
        for index, row in enumerate((*([block.heads] if block.heads else []), *block.rows)):
            for cell, line in zip(_new_row(table, is_head=bool(block.heads) and not index), row, strict=True):
                paragraph = self._line(cell, line, CELL)
                if block.numbers:
                    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        self._paragraph(None)  # adjacent tables would become one

    def _new_table(self, style: str, widths_cm: Sequence[float], *, has_heads: bool = False) -> DocxTable:
        """Add a table without rows; without heads the first column is the header."""
        table: DocxTable = self._docx.add_table(rows=0, cols=len(widths_cm), style=style)
        table.autofit = False
        for column, width in zip(table.columns, widths_cm, strict=True):
            column.width = Cm(width)
        properties = table._tbl.tblPr
        for look in properties.findall(qn("w:tblLook")):
            properties.remove(look)
        properties.append(element("w:tblLook", val=_LOOK_HEADS if has_heads else _LOOK_NAMES))
        return table

    def _cells(self, count: int, columns: int) -> list[Cell]:
        """Add a table without lines and return its first cells."""
        table = self._new_table(_PLAIN, [BODY_CM / columns] * columns)
        cells = [cell for _ in range(0, count, columns) for cell in _new_row(table)]
        self._paragraph(None, GAP)
        return cells[:count]

    def _thumbnails(self, pictures: Sequence[PictureBlock], columns: int) -> None:
        for picture, cell in zip(pictures, self._cells(len(pictures), columns), strict=True):
            self._small_picture(cell, picture, _room(columns))
            self._run(self._paragraph(cell, "Caption"), picture.caption or picture.alt)

    def _card(self, cell: Cell, card: ChapterCard, columns: int) -> None:
        if card.picture:
            self._small_picture(cell, card.picture, _room(columns))
        self._spans(self._paragraph(cell, "Caption", keeps_next=True), card.times)
        paragraph = self._paragraph(cell, CELL)
        self._run(paragraph, card.title, "Strong")
        if card.text:
            paragraph.add_run().add_break()
            self._run(paragraph, card.text)

    def _findings(self, items: Sequence[FindingItem]) -> None:
        """Add a table with two findings in each row, each of them a picture and a sentence."""
        widths = [_EVIDENCE_CM[0] + _CELL_MARGINS_CM, BODY_CM / 2 - _EVIDENCE_CM[0] - _CELL_MARGINS_CM]
        table = self._new_table(_PLAIN, widths * 2)
        for left in range(0, len(items), 2):
            cells = _new_row(table)
            for item, column in zip(items[left : left + 2], (0, 2), strict=False):
                if item.picture:
                    self._small_picture(cells[column], item.picture, _EVIDENCE_CM)
                self._finding(cells[column + 1], item)
        self._paragraph(None, GAP)

    def _finding(self, cell: Cell, item: FindingItem) -> None:
        self._line(cell, item.line, CELL)
        lines = [item.times] if item.times else []
        lines += [text_line(f"{label}: {value}") for label, value in item.fields]
        if lines:
            self._join_lines(self._paragraph(cell, "Caption"), lines)

    # ---- pictures

    def _small_picture(self, cell: Cell, picture: PictureBlock, room: tuple[float, float]) -> None:
        paragraph = self._paragraph(cell, CELL, keeps_next=True)
        run = self._picture(paragraph, picture, room)
        if picture.at_seconds is not None:
            self._link(paragraph, run, picture.at_seconds)

    def _timeline(self, block: Timeline) -> None:
        self._line(None, block.heading.line, f"Heading {block.heading.level - 1}")
        relation, shape = self._image(chart_png(block.chart, block.alt))
        self._draw(self._paragraph(None, keeps_next=True), relation, block.alt, (BODY_CM, BODY_CM * shape))
        self._run(self._paragraph(None, "Caption"), block.alt)

    def _picture(self, paragraph: DocxParagraph, picture: PictureBlock, room: tuple[float, float]) -> Run:
        if picture.key not in self._images:
            self._images[picture.key] = self._image(smaller(picture.jpeg, _PICTURE_SIDE))
        return self._draw(paragraph, self._images[picture.key][0], picture.alt, picture.within(*room))

    def _image(self, data: bytes) -> tuple[str, float]:
        """Store a picture once; return the relation to it, and its height as a share of its width."""
        relation, image = self._docx.part.get_or_add_image(BytesIO(data))
        return relation, image.px_height / image.px_width

    def _draw(self, paragraph: DocxParagraph, relation: str, alt: str, size_cm: tuple[float, float]) -> Run:
        """Add a picture with its text for screen readers, which `add_picture` of python-docx doesn't take."""
        self._num_pictures += 1
        number, (width, height) = self._num_pictures, size_cm
        inline = CT_Inline.new_pic_inline(number, relation, f"picture-{number}", Cm(width), Cm(height))
        inline.docPr.set("descr", printable(alt))
        run = paragraph.add_run()
        run._r.add_drawing(inline)
        return run


def _new_row(table: DocxTable, *, is_head: bool = False) -> tuple[Cell, ...]:
    """Add a row that stays on one page, the header on every page, and return its cells."""
    row: _Row = table.add_row()  # type: ignore[no-untyped-call]
    properties = row._tr.get_or_add_trPr()
    properties.extend([element("w:cantSplit"), *([element("w:tblHeader")] if is_head else [])])
    cells: tuple[Cell, ...] = row.cells
    return cells


def _bullet(level: int) -> str:
    """Return the style of an item at a level from 0; Word's template has three."""
    return f"List Bullet {min(level, 2) + 1}" if level else "List Bullet"


def _room(columns: int) -> tuple[float, float]:
    """Return the largest width and height of a picture in each of these columns, in centimetres."""
    width = BODY_CM / columns - _CELL_MARGINS_CM
    return width, width * _MOST_DOWN


def _widths(block: Table, columns: int) -> list[float]:
    """Return the widths of the columns in centimetres; the last column is twice as wide as a middle column."""
    if block.numbers:
        return [_NUMBER_CM] * columns
    first = _TIME_CM if block.heads else _NAME_CM
    parts = [1.0] * max(0, columns - 2) + [2.0] * min(1, columns - 1)
    return [first, *(part * (BODY_CM - first) / sum(parts) for part in parts)]


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the report as DOCX, with its appendix about 60 KB per keyframe; the same analysis gives the same bytes."""
    with in_language(language):
        content = document(analysis, appendix=appendix).for_print()
    docx = new_report(content)
    body = BodyWriter(docx, content.facts)
    body.title(content.title)
    for block in content.blocks:
        body.block(block)
    if content.appendix:
        body.title(t("report.appendix", language), on_new_page=True)
    for block in content.appendix:
        body.block(block)
    return to_bytes(docx)


def _with_printed_sign(line: Line) -> Line:
    """Return a line whose sign at the beginning is in fonts for print."""
    for sign in ("⚠️", "❌"):
        if line and line[0].text.startswith(sign):
            return (replace(line[0], text=f"⚠{line[0].text.removeprefix(sign)}"), *line[1:])
    return line
