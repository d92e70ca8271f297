"""Report as a Word document (DOCX) with headings, lists, tables and links.

It uses only features that Word and LibreOffice support alike. A time is a link to that moment of the video, which works
if the video is in the report's folder.
"""

from collections.abc import Iterator

from app.core import Analysis, Language, smaller
from app.i18n import in_language
from app.reports import content as blocks
from app.reports.content.builder import document
from app.reports.docx import package as elements
from app.reports.graphics.chart_svg import png

_PICTURE_SIDE = 1280
"""The longer side in pixels. The gallery reuses the same pictures, which takes no space. Chosen by hand; not tuned."""
_PICTURE_CM = (15.0, 7.0)
"""The largest width and height of a picture. Chosen by hand; not tuned."""
_GALLERY_COLUMNS = 4
_TABLE, _GALLERY = "LightList-Accent1", "TableNormal"
_TIME_CM, _NAME_CM, _NUMBER_CM = 3.0, 4.5, 3.0
"""Widths of columns of times, names and numbers."""


class BodyWriter:
    """Renderer of blocks as elements of a package. `facts` name the video that times are linked to."""

    def __init__(self, package: elements.DocxPackage, facts: blocks.DocumentFacts) -> None:
        self._package = package
        self._facts = facts
        self._bookmarks = 0
        self._relations: dict[str, str] = {}

    def title(self, title: str) -> Iterator[elements.Element]:
        """Yield the title's paragraph."""
        yield elements.paragraph([elements.run(" ".join(title.split()))], style="Title")

    def block(self, block: blocks.Block) -> Iterator[elements.Element]:
        """Yield the elements of a block."""
        match block:
            case blocks.Heading():
                yield self._heading(block)
            case blocks.Paragraph(tone=tone):
                yield elements.paragraph(
                    self._runs(blocks.signed(block)), style="" if tone == "plain" else elements.tone_style(tone)
                )
            case blocks.Listing(items):
                yield from (elements.paragraph(self._runs(item), style="ListBullet") for item in items)
            case blocks.Table():
                yield from self._table(block)
            case blocks.PictureBlock():
                width, height = block.within(*_PICTURE_CM)
                yield elements.paragraph([self._picture(block, width, height)])
            case blocks.Gallery(pictures) | blocks.ThumbnailRow(pictures):
                yield from self._gallery(pictures)
            case blocks.Timeline():
                yield from self._timeline(block)
            case blocks.Verbatim(summary, text):
                yield elements.paragraph([elements.run(summary)], style="Caption", keepNext="1")
                yield elements.paragraph([elements.run(text)], style=elements.PROMPT)

    def _heading(self, heading: blocks.Heading) -> elements.Element:
        self._bookmarks += 1
        runs = elements.bookmarked(self._runs(heading.line), number=self._bookmarks, name=heading.anchor)
        return elements.paragraph(runs, style=f"Heading{heading.level - 1}")

    def _table(self, block: blocks.Table) -> Iterator[elements.Element]:
        columns = len(block.heads) or max(map(len, block.rows), default=0)
        if not (columns and block.rows):
            return
        align = {"jc": "right"} if block.numbers else {}
        heads = [elements.paragraph(self._runs(head), style=elements.CELL, **align) for head in block.heads]
        rows = (
            [elements.paragraph(self._runs(cell), style=elements.CELL, **align) for cell in row] for row in block.rows
        )
        yield elements.table(heads, rows, style=_TABLE, widths_cm=_widths(block, columns))
        yield elements.paragraph([])  # adjacent tables would become one

    def _gallery(self, pictures: tuple[blocks.PictureBlock, ...]) -> Iterator[elements.Element]:
        cells = [self._thumbnail(one) for one in pictures]
        cells += [elements.paragraph([]) for _ in range(-len(cells) % _GALLERY_COLUMNS)]
        rows = [cells[start : start + _GALLERY_COLUMNS] for start in range(0, len(cells), _GALLERY_COLUMNS)]
        yield elements.table(
            [], rows, style=_GALLERY, widths_cm=[elements.BODY_CM / _GALLERY_COLUMNS] * _GALLERY_COLUMNS
        )
        yield elements.paragraph([])

    def _thumbnail(self, one: blocks.PictureBlock) -> elements.Element:
        room = elements.BODY_CM / _GALLERY_COLUMNS - 0.4
        width, height = one.within(room, room)
        drawn = self._picture(one, width, height)
        if not one.anchor:
            return elements.paragraph([drawn, elements.run(one.alt)], style="Caption")
        return elements.paragraph(
            [drawn, elements.link([elements.run(one.alt, style="Hyperlink")], anchor=one.anchor)], style="Caption"
        )

    def _timeline(self, block: blocks.Timeline) -> Iterator[elements.Element]:
        yield self._heading(block.heading)
        drawn, (across, down) = self._package.image(png(block.chart, block.alt), ".png")
        height = elements.BODY_CM * down / across
        number = self._package.next_number()
        yield elements.paragraph(
            [elements.picture(drawn, number=number, alt=block.alt, width_cm=elements.BODY_CM, height_cm=height)],
            keepNext="1",
        )
        yield elements.paragraph([elements.run(block.alt)], style="Caption")

    def _picture(self, one: blocks.PictureBlock, width: float, height: float) -> elements.Element:
        if one.key not in self._relations:
            self._relations[one.key], _ = self._package.image(smaller(one.jpeg, _PICTURE_SIDE), ".jpg")
        relation, number = self._relations[one.key], self._package.next_number()
        return elements.picture(relation, number=number, alt=one.alt, width_cm=width, height_cm=height)

    def _runs(self, line: blocks.Line) -> list[elements.Element]:
        return [self._span(span) for span in line]

    def _span(self, span: blocks.Span) -> elements.Element:
        if span.at_seconds is not None:
            relation = self._package.link(blocks.moment_address(self._facts, span.at_seconds))
            return elements.link([elements.run(span.text, style="Hyperlink")], relation=relation)
        match span.style:
            case "strong":
                return elements.run(span.text, style="Strong")
            case "doubt":
                return elements.run(f"⚠ {span.text}", style="Doubt")
            case _:
                return elements.run(span.text)


def _widths(block: blocks.Table, columns: int) -> list[float]:
    """Return the widths of the columns in centimetres; the last column is twice as wide as the middle ones."""
    if block.numbers:
        return [_NUMBER_CM] * columns
    first = _TIME_CM if block.heads else _NAME_CM
    parts = [1.0] * max(0, columns - 2) + [2.0] * min(1, columns - 1)
    return [first, *(part * (elements.BODY_CM - first) / sum(parts) for part in parts)]


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the report as DOCX, about 60 KB per keyframe; the same analysis gives the same bytes."""
    with in_language(language):
        content = document(analysis)
    package = elements.DocxPackage(content)
    body = BodyWriter(package, content.facts)
    package.body.extend(body.title(content.title))
    for block in content.blocks:
        package.body.extend(body.block(block))
    return package.to_bytes()
