"""Report as a Word document (DOCX) with headings, lists, tables and links.

It uses only features that Word and LibreOffice support alike. A time is a link to that moment of the video, which works
if the video is in the report's folder.
"""

from collections.abc import Iterator
from dataclasses import replace

from framelens.core.domain import Analysis, Language
from framelens.core.images import smaller
from framelens.i18n import in_language, t
from framelens.plugins.editing.docx import package as elements
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
    plain,
    signed,
)
from framelens.reports.content.labels import moment_address
from framelens.reports.graphics.chart_svg import png

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
_TABLE, _PLAIN = "LightList-Accent1", "TableNormal"
_TIME_CM, _NAME_CM, _NUMBER_CM = 3.0, 4.5, 3.0
"""Widths of columns of times, names and numbers."""


class BodyWriter:
    """Renderer of blocks as elements of a package. `facts` name the video that times are linked to."""

    def __init__(self, package: elements.DocxPackage, facts: DocumentFacts) -> None:
        self._package = package
        self._facts = facts
        self._bookmarks = 0
        self._relations: dict[str, str] = {}

    def title(self, title: str) -> Iterator[elements.Element]:
        """Yield the title's paragraph."""
        yield elements.paragraph([elements.run(" ".join(title.split()))], style="Title")

    def appendix(self, title: str) -> Iterator[elements.Element]:
        """Yield the title of the appendix on a new page."""
        yield elements.paragraph([elements.run(title)], style="Title", pageBreakBefore="1")

    def block(self, block: Block) -> Iterator[elements.Element]:
        """Yield the elements of a block."""
        match block:
            case Heading():
                yield self._heading(block)
            case Paragraph(tone=tone):
                yield elements.paragraph(
                    self._runs(_with_printed_sign(signed(block))),
                    style="" if tone == "plain" else elements.tone_style(tone),
                )
            case Listing():
                yield from (elements.paragraph(self._runs(item), style=_bullet(level)) for level, item in block.leveled)
            case Table():
                yield from self._table(block)
            case PictureBlock():
                width, height = block.within(*_PICTURE_CM)
                yield elements.paragraph([self._picture(block, width, height)])
            case Gallery(pictures):
                yield from self._cells([self._thumbnail(one, block.columns) for one in pictures], block.columns)
            case ThumbnailRow(pictures):
                columns = min(_MOST_COLUMNS, max(3, len(pictures)))
                yield from self._cells([self._thumbnail(one, columns) for one in pictures], columns)
            case Chapters(cards):
                yield from self._cells([self._card(one, block.columns) for one in cards], block.columns)
            case Findings(items):
                yield from self._findings(items)
            case Measurements(items):
                runs = [run for place, item in enumerate(items) for run in self._joined(item, place)]
                yield elements.paragraph(runs, style="Caption")
            case Timeline():
                yield from self._timeline(block)
            case Fold(blocks=blocks):  # a text to be read as a whole
                yield from (element for one in blocks for element in self.block(one))
            case Verbatim(summary, text):
                if summary:
                    yield elements.paragraph([elements.run(summary)], style="Caption", keepNext="1")
                yield elements.paragraph([elements.run(text)], style=elements.PROMPT)

    def _heading(self, heading: Heading) -> elements.Element:
        self._bookmarks += 1
        runs = elements.bookmarked(self._runs(heading.line), number=self._bookmarks, name=heading.anchor)
        return elements.paragraph(runs, style=f"Heading{heading.level - 1}")

    def _table(self, block: Table) -> Iterator[elements.Element]:
        columns = len(block.heads) or max(map(len, block.rows), default=0)
        if not (columns and block.rows):
            return
        align = {"jc": "right"} if block.numbers else {}
        heads = [[elements.paragraph(self._runs(head), style=elements.CELL, **align)] for head in block.heads]
        rows = (
            [[elements.paragraph(self._runs(cell), style=elements.CELL, **align)] for cell in row] for row in block.rows
        )
        yield elements.table(heads, rows, style=_TABLE, widths_cm=_widths(block, columns))
        yield elements.paragraph([])  # adjacent tables would become one

    def _cells(self, cells: list[list[elements.Element]], columns: int) -> Iterator[elements.Element]:
        """Yield a table without lines, whose cells have these paragraphs."""
        cells = [*cells, *([elements.paragraph([])] for _ in range(-len(cells) % columns))]
        rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
        yield elements.table([], rows, style=_PLAIN, widths_cm=[elements.BODY_CM / columns] * columns)
        yield elements.paragraph([], style=elements.GAP)

    def _thumbnail(self, one: PictureBlock, columns: int) -> list[elements.Element]:
        caption = elements.paragraph([elements.run(one.caption or one.alt)], style="Caption")
        return [self._small(one, _room(columns)), caption]

    def _card(self, card: ChapterCard, columns: int) -> list[elements.Element]:
        drawn = [self._small(card.picture, _room(columns))] if card.picture else []
        times = elements.paragraph(self._runs(card.times), style="Caption", keepNext="1")
        said = [elements.run(card.title, style="Strong"), *([elements.run(f"\n{card.text}")] if card.text else [])]
        return [*drawn, times, elements.paragraph(said, style=elements.CELL)]

    def _findings(self, items: tuple[FindingItem, ...]) -> Iterator[elements.Element]:
        """Yield a table with two findings in each row, each of them a picture and a sentence."""
        widths = [_EVIDENCE_CM[0] + _CELL_MARGINS_CM, elements.BODY_CM / 2 - _EVIDENCE_CM[0] - _CELL_MARGINS_CM]
        cells = [[self._evidence(item), self._said(item)] for item in items]
        cells += [[[elements.paragraph([])], [elements.paragraph([])]]] * (len(cells) % 2)
        rows = ([*left, *right] for left, right in zip(cells[::2], cells[1::2], strict=True))
        yield elements.table([], rows, style=_PLAIN, widths_cm=widths * 2)
        yield elements.paragraph([], style=elements.GAP)

    def _evidence(self, item: FindingItem) -> list[elements.Element]:
        return [self._small(item.picture, _EVIDENCE_CM) if item.picture else elements.paragraph([])]

    def _said(self, item: FindingItem) -> list[elements.Element]:
        lines = [item.times] if item.times else []
        lines += [plain(f"{label}: {value}") for label, value in item.fields]
        small = [run for place, line in enumerate(lines) for run in self._joined(line, place)]
        said = elements.paragraph(self._runs(item.line), style=elements.CELL)
        return [said, *([elements.paragraph(small, style="Caption")] if small else [])]

    def _joined(self, line: Line, place: int) -> list[elements.Element]:
        return [*([elements.run(" · ")] if place else []), *self._runs(line)]

    def _small(self, one: PictureBlock, room: tuple[float, float]) -> elements.Element:
        drawn = self._picture(one, *one.within(*room))
        if one.at_seconds is not None:
            address = moment_address(self._facts, one.at_seconds)
            drawn = elements.link([drawn], relation=self._package.link(address))
        return elements.paragraph([drawn], style=elements.CELL, keepNext="1")

    def _timeline(self, block: Timeline) -> Iterator[elements.Element]:
        yield self._heading(block.heading)
        drawn, (across, down) = self._package.image(png(block.chart, block.alt), ".png")
        height = elements.BODY_CM * down / across
        number = self._package.next_number()
        yield elements.paragraph(
            [elements.picture(drawn, number=number, alt=block.alt, width_cm=elements.BODY_CM, height_cm=height)],
            keepNext="1",
        )
        yield elements.paragraph([elements.run(block.alt)], style="Caption")

    def _picture(self, one: PictureBlock, width: float, height: float) -> elements.Element:
        if one.key not in self._relations:
            self._relations[one.key], _ = self._package.image(smaller(one.jpeg, _PICTURE_SIDE), ".jpg")
        relation, number = self._relations[one.key], self._package.next_number()
        return elements.picture(relation, number=number, alt=one.alt, width_cm=width, height_cm=height)

    def _runs(self, line: Line) -> list[elements.Element]:
        return [self._span(span) for span in line]

    def _span(self, span: Span) -> elements.Element:
        if span.at_seconds is not None:
            relation = self._package.link(moment_address(self._facts, span.at_seconds))
            linked = elements.run(span.text, style="Hyperlink", is_bold=span.style == "strong")
            return elements.link([linked], relation=relation)
        match span.style:
            case "strong":
                return elements.run(span.text, style="Strong")
            case "doubt":
                return elements.run(f"⚠ {span.text}", style="Doubt")
            case _:
                return elements.run(span.text)


def _bullet(level: int) -> str:
    """Return the style of an item at a level from 0; Word's template has three."""
    return f"ListBullet{min(level, 2) + 1}" if level else "ListBullet"


def _room(columns: int) -> tuple[float, float]:
    """Return the largest width and height of a picture in each of these columns, in centimetres."""
    width = elements.BODY_CM / columns - _CELL_MARGINS_CM
    return width, width * _MOST_DOWN


def _widths(block: Table, columns: int) -> list[float]:
    """Return the widths of the columns in centimetres; the last column is twice as wide as a middle column."""
    if block.numbers:
        return [_NUMBER_CM] * columns
    first = _TIME_CM if block.heads else _NAME_CM
    parts = [1.0] * max(0, columns - 2) + [2.0] * min(1, columns - 1)
    return [first, *(part * (elements.BODY_CM - first) / sum(parts) for part in parts)]


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the report as DOCX, with its appendix about 60 KB per keyframe; the same analysis gives the same bytes."""
    with in_language(language):
        content = document(analysis, appendix=appendix).for_print()
    package = elements.DocxPackage(content)
    body = BodyWriter(package, content.facts)
    package.body.extend(body.title(content.title))
    for block in content.blocks:
        package.body.extend(body.block(block))
    if content.appendix:
        package.body.extend(body.appendix(t("report.appendix", language)))
    for block in content.appendix:
        package.body.extend(body.block(block))
    return package.to_bytes()


def _with_printed_sign(line: Line) -> Line:
    """Return a line whose sign at the beginning is in fonts for print."""
    for sign in ("⚠️", "❌"):
        if line and line[0].text.startswith(sign):
            return (replace(line[0], text=f"⚠{line[0].text.removeprefix(sign)}"), *line[1:])
    return line
