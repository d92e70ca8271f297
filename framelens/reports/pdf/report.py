"""Report as a PDF, typeset by Typst, for printing and archiving.

It conforms to PDF/A-2a (archives) and PDF/UA-1 (screen readers), which require a glyph for every character. Typst gets
a fixed template (pdf.typ) and the document as values, in a folder of its own, and needs no network.

Texts are passed as strings, so no text can become markup. Pictures and charts are files beside the template; the
values have their names.

The label is the entry AIGC of the information dictionary and the property AIGC of the XMP packet, where PDF/A requires
a description of it. It is appended as an incremental update (PDF 1.7, 7.5.6), without rewriting the file. Only PDFs of
Typst are supported: uncompressed objects and a single cross-reference table.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typst
from pypdf import PdfReader
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject, TextStringObject

from framelens.core.domain import Analysis, Language
from framelens.core.images import smaller
from framelens.core.units import date_of
from framelens.i18n import in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.document import (
    Block,
    ChapterCard,
    Chapters,
    Document,
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
    plain_text,
    signed,
    text_line,
)
from framelens.reports.content.labels import moment_address, printable
from framelens.reports.content.provenance import AIGC_KEY
from framelens.reports.graphics.chart_svg import svg_in_own_font
from framelens.reports.graphics.fonts import BOLD, FONT_FILE, Faces, faces_for

if TYPE_CHECKING:
    from pypdf.generic import PdfObject

TEMPLATE = Path(__file__).with_name("pdf.typ")
_PICTURE_SIDE = 800
"""The longer side in pixels: 320 dots per inch at the width of a picture."""
PICTURE_CM = (6.4, 4.8)
"""The largest width and height of a picture; its text is beside it."""
_TEXT_CM = 17.0
"""The width of the text: A4 with margins of 2 cm."""
_GUTTER_CM = 0.3
_MOST_DOWN, _MOST_DOWN_CM = 0.75, 3.8
"""The largest height of a picture in a row, as a share of the width of its column and in centimetres."""
_MOST_COLUMNS = 4
"""Most columns of pictures that belong to a paragraph."""
_EVIDENCE_CM = (2.2, 1.65)
"""The largest width and height of the picture beside a finding."""
_RUNNING = 60
"""Characters of the title that fit into the header of every page."""
Form = dict[str, Any]
_NAMESPACE, _PREFIX = "http://www.tc260.org.cn/ns/AIGC/1.0/", "TC260"
"""Names from the practice guide on labels in files of the standard's committee (TC260)."""
_EXTENSION = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>GB 45438-2025</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>{_PREFIX}</pdfaSchema:prefix>"
    '<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">'
    f"<pdfaProperty:name>{AIGC_KEY}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
    "<pdfaProperty:category>external</pdfaProperty:category>"
    "<pdfaProperty:description>Label of generated content</pdfaProperty:description>"
    "</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li>"
)


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the report as PDF 1.7; the same analysis gives the same bytes with the same fonts."""
    with in_language(language):
        content = document(analysis, appendix=appendix).for_print()
    values = form(content)
    faces = faces_for(json.dumps(values, ensure_ascii=False))
    try:
        pdf = _typeset(content, values, faces)
    except typst.TypstError:
        if not faces.others:
            raise
        pdf = _typeset(content, values, Faces())  # a font of the machine lacks glyphs that its table lists
    return add_ai_label(pdf, printable(content.facts.aigc))


def _typeset(content: Document, values: Form, faces: Faces) -> bytes:
    created = date_of(content.facts.created)
    with TemporaryDirectory(prefix="framelens-pdf-") as name:
        folder = Path(name)
        _write_inputs(folder, content, values, faces, dated=created is not None)
        return typst.compile(
            folder / "main.typ",
            root=folder,
            font_paths=[folder],
            ignore_system_fonts=True,
            pdf_standards=["a-2a", "ua-1"] if created else ["ua-1"],  # PDF/A requires a date
            package_path=folder,
            timestamp=created or 0,
        )


def _write_inputs(folder: Path, content: Document, values: Form, faces: Faces, *, dated: bool) -> None:
    """Write all files that Typst reads."""
    for index, font in enumerate((FONT_FILE, BOLD, *(face.path for face in faces.others))):
        shutil.copyfile(font, folder / f"font-{index}{font.suffix}")
    shutil.copyfile(TEMPLATE, folder / "main.typ")
    shown = map_strings(values, faces.shown) | {"dated": dated, "faces": list(faces.families)}
    (folder / "form.json").write_text(json.dumps(shown, ensure_ascii=False), encoding="utf-8")
    for name, data in _images(content):
        (folder / name).write_bytes(data)


def _images(content: Document) -> Iterator[tuple[str, bytes]]:
    yield from ((picture_name(picture), smaller(picture.jpeg, _PICTURE_SIDE)) for picture in content.pictures)
    for block in (*content.blocks, *content.appendix):
        if isinstance(block, Timeline):
            yield chart_name(block), svg_in_own_font(block.chart, block.alt).encode()


def form(content: Document) -> Form:
    """Build the values of the template. Headings are at levels 1 and 2, below the title."""
    facts = content.facts
    title = " ".join(content.title.split())
    return {
        "title": title,
        "running": f"{title[:_RUNNING]}…" if len(title) > _RUNNING else title,
        "language": content.language,
        "generator": facts.generator,
        "description": facts.ai_label,
        "keywords": [word for word in (facts.video, facts.model) if word],
        "contents": t("report.contents", content.language),
        "blocks": [{**block, "listed": False} for block in _forms(content.blocks, facts)],
        "appendix_title": t("report.appendix", content.language),
        "appendix": _forms(content.appendix, facts),
    }


def _forms(blocks: Iterable[Block], facts: DocumentFacts) -> list[Form]:
    return _with_frames([value for block in blocks for value in _block(block, facts)])


def _with_frames(blocks: Sequence[Form]) -> list[Form]:
    """Combine each picture with the blocks up to the next heading into one block, shown side by side."""
    grouped: list[Form] = []
    for block in blocks:
        if block["kind"] == "picture":
            grouped.append({"kind": "frame", "picture": block, "blocks": []})
        elif grouped and grouped[-1]["kind"] == "frame" and block["kind"] != "heading":
            grouped[-1]["blocks"].append(block)
        else:
            grouped.append(block)
    return grouped


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return nested values with every string changed; keys are kept."""
    match value:
        case str():
            return change(value)
        case list():
            return [map_strings(item, change) for item in value]
        case dict():
            return {key: map_strings(item, change) for key, item in value.items()}
        case _:
            return value


def picture_name(picture: PictureBlock) -> str:
    """Return the file name of a picture beside the template."""
    return f"{picture.key}.jpg"


def chart_name(timeline: Timeline) -> str:
    """Return the file name of a chart beside the template."""
    return f"{timeline.heading.anchor}.svg"


def _block(block: Block, facts: DocumentFacts) -> Iterator[Form]:
    match block:
        case Heading():
            yield _heading(block, facts)
        case Paragraph(tone=tone):
            yield {"kind": "paragraph", "tone": tone, "line": _line(signed(block), facts)}
        case Listing():
            items = [{"level": level, "line": _line(item, facts)} for level, item in block.leveled]
            yield {"kind": "listing", "items": items}
        case Table():
            yield _table(block, facts)
        case PictureBlock():
            yield {"kind": "picture", **_picture(block, PICTURE_CM, facts)}
        case ThumbnailRow(pictures):
            yield _row(pictures, min(_MOST_COLUMNS, max(3, len(pictures))), facts)
        case Gallery(pictures):
            yield _row(pictures, block.columns, facts)
        case Chapters(cards):
            room = _column(block.columns)
            yield {"kind": "chapters", "columns": block.columns, "cards": [_card(card, room, facts) for card in cards]}
        case Findings(items):
            yield {"kind": "findings", "items": [_finding(item, facts) for item in items]}
        case Measurements(items):
            yield {"kind": "measurements", "lines": [_line(item, facts) for item in items]}
        case Timeline(heading, _, alt):
            yield _heading(heading, facts)
            yield {"kind": "chart", "file": chart_name(block), "alt": alt}
        case Verbatim(summary, text):
            yield {"kind": "verbatim", "summary": summary, "text": text}
        case Fold(summary):
            yield {"kind": "paragraph", "tone": "quiet", "line": _line(text_line(summary), facts)}


def _column(columns: int) -> tuple[float, float]:
    """Return the largest width and height of a picture in these columns, in centimetres."""
    width = (_TEXT_CM - (columns - 1) * _GUTTER_CM) / columns
    return width, min(width * _MOST_DOWN, _MOST_DOWN_CM)


def _picture(picture: PictureBlock, room: tuple[float, float], facts: DocumentFacts) -> Form:
    to = "" if picture.at_seconds is None else moment_address(facts, picture.at_seconds)
    width = round(picture.within(*room)[0], 2)
    return {
        "file": picture_name(picture),
        "alt": picture.alt,
        "caption": picture.caption or picture.alt,
        "to": to,
        "width": width,
    }


def _row(pictures: Sequence[PictureBlock], columns: int, facts: DocumentFacts) -> Form:
    room = _column(columns)
    return {
        "kind": "thumbnails",
        "columns": columns,
        "pictures": [_picture(picture, room, facts) for picture in pictures],
    }


def _card(card: ChapterCard, room: tuple[float, float], facts: DocumentFacts) -> Form:
    picture = _picture(card.picture, room, facts) if card.picture else None
    return {"times": _line(card.times, facts), "title": card.title, "text": card.text, "picture": picture}


def _finding(item: FindingItem, facts: DocumentFacts) -> Form:
    picture = _picture(item.picture, _EVIDENCE_CM, facts) if item.picture else None
    fields = [{"label": label, "value": value} for label, value in item.fields]
    return {"line": _line(item.line, facts), "times": _line(item.times, facts), "fields": fields, "picture": picture}


def _heading(heading: Heading, facts: DocumentFacts) -> Form:
    """Return a heading's values. All but frames are in the table of contents, where a title can't be a link itself."""
    is_listed = not heading.anchor.startswith(("frame-", "page-"))
    line = [_span(Span(plain_text(heading.line)), facts)] if is_listed else _line(heading.line, facts)
    return {"kind": "heading", "level": heading.level - 1, "line": line, "anchor": heading.anchor, "listed": is_listed}


def _table(table: Table, facts: DocumentFacts) -> Form:
    columns = len(table.heads) or len(table.rows[0]) if table.rows or table.heads else 0
    return {
        "kind": "table" if columns and table.rows else "nothing",
        "shape": "numbers" if table.numbers else "findings" if table.heads else "pairs",
        "columns": columns,
        "heads": [_line(head, facts) for head in table.heads],
        "rows": [[_line(cell, facts) for cell in row] for row in table.rows],
    }


def _line(line: Line, facts: DocumentFacts) -> list[Form]:
    return [_span(span, facts) for span in line]


def _span(span: Span, facts: DocumentFacts) -> Form:
    to = "" if span.at_seconds is None else moment_address(facts, span.at_seconds)
    return {"text": span.text, "style": span.style, "to": to}


def add_ai_label(pdf: bytes, label: str) -> bytes:
    """Return the PDF with the label, which is JSON on one line, in its information and its XMP metadata.

    The label is appended as an incremental update. Without a label the PDF is unchanged.
    """
    if not label:
        return pdf
    whole = pdf.rstrip() + b"\n"
    reader = PdfReader(BytesIO(whole))
    trailer, root = reader.trailer, reader.root_object
    information, metadata = trailer["/Info"].get_object(), root["/Metadata"].get_object()
    assert isinstance(information, DictionaryObject) and isinstance(metadata, DecodedStreamObject)
    information[NameObject(f"/{AIGC_KEY}")] = TextStringObject(label)
    metadata.set_data(_with_property(metadata.get_data().decode(), label).encode())
    trailer[NameObject("/Prev")] = NumberObject(int(whole.rsplit(b"startxref", 1)[1].split()[0]))
    objects = {trailer.raw_get("/Info").idnum: information, root.raw_get("/Metadata").idnum: metadata}
    return whole + _update(len(whole), objects, trailer)


def _update(start: int, changed: Mapping[int, PdfObject], trailer: DictionaryObject) -> bytes:
    """Return the incremental update that replaces the objects of these numbers, for a file of `start` bytes.

    pypdf's incremental update (PdfWriter with incremental=True) reads every object of the file first, which took six
    times as long as typesetting the report.
    """
    update, offsets = BytesIO(), {}
    for number, item in sorted(changed.items()):
        offsets[number] = start + update.tell()
        update.write(b"%d 0 obj\n" % number)
        item.write_to_stream(update)
        update.write(b"\nendobj\n")
    table = start + update.tell()
    update.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, offset in offsets.items():
        update.write(b"%d 1\n%010d 00000 n \n" % (number, offset))
    update.write(b"trailer\n")
    trailer.write_to_stream(update)
    update.write(b"\nstartxref\n%d\n%%%%EOF\n" % table)
    return update.getvalue()


def _with_property(packet: str, label: str) -> str:
    """Add the label and the description of its form, which PDF/A requires, to an XMP packet."""
    extended = packet.replace("</rdf:Bag></pdfaExtension:schemas>", f"{_EXTENSION}</rdf:Bag></pdfaExtension:schemas>")
    tag = f"{_PREFIX}:{AIGC_KEY}"
    value = f'<{tag} xmlns:{_PREFIX}="{_NAMESPACE}">{escape(label, quote=False)}</{tag}>'
    head, tail, rest = extended.rpartition("</rdf:Description></rdf:RDF>")
    return f"{head}{value}{tail}{rest}"
