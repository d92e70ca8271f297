"""The file around a DOCX report: styles, head and foot, properties, the label of generated texts, and the ZIP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZipFile

from docx import Document as new_document
from docx.document import Document as DocxDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.image.image import Image
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.ns import qn
from docx.parts.image import ImagePart
from docx.shared import Cm, Pt, RGBColor

from app.core.domain import Language
from app.reports.content.ai_disclosure import KEY
from app.reports.content.document import Document
from app.reports.content.labels import date_of
from app.reports.content.plain_text import printable
from app.reports.docx.elements import Element, element, field, run
from app.reports.files import Entry, zipped

LATIN, CHINESE, FIXED = "Arial", "Microsoft YaHei", "Consolas"
"""Word and LibreOffice take a near one where a machine lacks these."""
CELL, PROMPT = "Cell", "Prompt"
"""Ids of paragraph styles of our own."""
BODY_CM = 17.0
"""The width of the text."""
_LANGUAGES: dict[Language, str] = {"zh": "zh-CN", "en": "en-GB"}
_TONES = {"info": ("EAF2FB", "2F6DB0"), "warning": ("FFF6DF", "B7791F"), "error": ("FDECEA", "C0392B")}
_PALE, _QUIET = "F4F6F9", "5B6472"
_TONES |= {"label": (_PALE, _QUIET)}
"""Ground and edge of what must be noticed."""
_LONGEST = 255
"""Letters of a core property (ISO/IEC 29500-2 leaves it open; Word and python-docx do not)."""
_CUSTOM = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" '
    'xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes">'
    '<property fmtid="{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}" pid="2" name="{name}"><vt:lpwstr>{value}</vt:lpwstr>'
    "</property></Properties>"
)


def tone_style(tone: str) -> str:
    """The id of the paragraph style of a tone."""
    return f"Notice{tone.capitalize()}"


class Package:
    """A document with all that is the same in every report, to whose `body` blocks are appended."""

    def __init__(self, told: Document) -> None:
        self._document = new_document()
        self._relations: dict[str, str] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._numbers = 0
        _drop_thumbnail(self._document)
        _page(self._document, told)
        _styles(self._document, told.language)
        _properties(self._document, told)
        if told.facts.aigc:
            _label(self._document, printable(told.facts.aigc))
        self.body = _Body(self._document)

    def link(self, target: str) -> str:
        """The relation to an address outside."""
        return self._related(target, RELATIONSHIP_TYPE.HYPERLINK, target, is_external=True)

    def image(self, data: bytes, suffix: str) -> tuple[str, tuple[int, int]]:
        """The relation to a picture, which is kept once however often it is shown, and its size in pixels."""
        key = hashlib.sha256(data).hexdigest()
        if key not in self._relations:
            read = Image.from_blob(data)
            name = PackURI(f"/word/media/{len(self._sizes) + 1}{suffix}")
            self._sizes[key] = (read.px_width, read.px_height)
            part = ImagePart.from_image(read, name)
            self._related(key, RELATIONSHIP_TYPE.IMAGE, part, is_external=False)
        return self._relations[key], self._sizes[key]

    def next_number(self) -> int:
        """One that no other picture of the document has."""
        self._numbers += 1
        return self._numbers

    def packed(self) -> bytes:
        """The same document gives the same bytes: nothing in the ZIP carries the time of day."""
        buffer = BytesIO()
        self._document.save(buffer)
        with ZipFile(buffer) as archive:
            return zipped(Entry(name, archive.read(name)) for name in archive.namelist())

    def _related(self, key: str, kind: str, target: str | Part, *, is_external: bool) -> str:
        if key not in self._relations:
            self._relations[key] = f"rIdReport{len(self._relations) + 1}"
            self._document.part.load_rel(kind, target, self._relations[key], is_external)
        return self._relations[key]


class _Body:
    """The place of blocks: before the properties of the last section, which end every body."""

    def __init__(self, made: DocxDocument) -> None:
        self._end = made.element.body.sectPr

    def append(self, block: Element) -> None:
        self._end.addprevious(block)

    def extend(self, blocks: Iterable[Element]) -> None:
        for block in blocks:
            self.append(block)


def _drop_thumbnail(made: DocxDocument) -> None:
    """The picture of the empty document that python-docx begins with."""
    relations = made.part.package.rels
    for key in [key for key, one in relations.items() if one.reltype == RELATIONSHIP_TYPE.THUMBNAIL]:
        del relations[key]


def _page(made: DocxDocument, told: Document) -> None:
    section = made.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm((21 - BODY_CM) / 2)
    section.top_margin = section.bottom_margin = Cm(2.2)
    head, foot = section.header.paragraphs[0], section.footer.paragraphs[0]
    title = " ".join(told.title.split())
    head._p.append(run(f"{title[:80]}…" if len(title) > 80 else title))
    foot._p.extend([run(f"{told.facts.generator} · "), field("PAGE"), run(" / "), field("NUMPAGES")])


def _styles(made: DocxDocument, language: Language) -> None:
    styles = made.styles
    for name, size in {"Normal": 10, "Title": 20, "Heading 1": 15, "Heading 2": 11.5, "Caption": 8.5}.items():
        _font(styles[name], LATIN, size)
    styles["Normal"].paragraph_format.space_after = Pt(6)
    # What is Chinese is so whatever language the report is in; of the rest the two differ.
    latin = _LANGUAGES["en"] if language == "en" else "en-US"
    styles["Normal"].element.get_or_add_rPr().append(element("w:lang", val=latin, eastAsia="zh-CN"))
    styles["Caption"].font.bold = False
    styles["Caption"].font.color.rgb = RGBColor.from_string(_QUIET)
    for tone, (ground, edge) in _TONES.items():
        _boxed(_paragraph_style(made, tone_style(tone)), ground, edge)
    prompt = _paragraph_style(made, PROMPT)
    _boxed(prompt, _PALE, "D5DAE2")
    _font(prompt, FIXED, 8)
    _font(_paragraph_style(made, CELL, after=2), LATIN, 9)
    for name, colour in {"Doubt": "8A4B00", "Hyperlink": "24507C"}.items():
        styles.add_style(name, WD_STYLE_TYPE.CHARACTER).font.color.rgb = RGBColor.from_string(colour)


def _paragraph_style(made: DocxDocument, name: str, *, after: float = 6) -> Any:
    style = made.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = made.styles["Normal"]
    style.paragraph_format.space_after = Pt(after)
    return style


def _font(style: Any, latin: str, size: float) -> None:
    """In place of the fonts of a theme, which are the system's own choice."""
    style.font.size = Pt(size)
    properties = style.element.get_or_add_rPr()
    for old in properties.findall(qn("w:rFonts")):
        properties.remove(old)
    properties.insert(0, element("w:rFonts", ascii=latin, hAnsi=latin, cs=latin, eastAsia=CHINESE))


def _boxed(style: Any, ground: str, edge: str) -> None:
    properties = style.element.get_or_add_pPr()  # whose elements have a fixed order: these come before distances
    properties.insert(0, element("w:shd", val="clear", color="auto", fill=ground))
    properties.insert(0, element("w:pBdr", element("w:left", val="single", sz="18", space="8", color=edge)))


def _properties(made: DocxDocument, told: Document) -> None:
    facts, core = told.facts, made.core_properties
    texts = {
        "title": told.title,
        "author": facts.generator,
        "last_modified_by": facts.generator,
        "comments": facts.ai_label,
        "subject": facts.video,
        "keywords": facts.model,
        "identifier": facts.content_id,
        "language": _LANGUAGES[told.language],
    }
    for name, text in texts.items():
        setattr(core, name, " ".join(printable(text).split())[:_LONGEST])
    if when := date_of(facts.created):
        core.created = core.modified = when


def _label(made: DocxDocument, label: str) -> None:
    """As a custom property, for which python-docx has no name."""
    package = made.part.package
    blob = _CUSTOM.format(name=KEY, value=escape(label)).encode()
    kind = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
    package.relate_to(Part(PackURI("/docProps/custom.xml"), kind, blob, package), RELATIONSHIP_TYPE.CUSTOM_PROPERTIES)
