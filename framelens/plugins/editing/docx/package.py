"""Package of a DOCX report: styles, header and footer, properties, label of generated texts, and the ZIP.

The WordprocessingML elements (ISO/IEC 29500-1) that a report uses are built directly rather than through python-docx's
objects, which search the whole document for each added cell, link and picture: with thousands of them that takes
minutes.
"""

import hashlib
from collections.abc import Iterable, Sequence
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
from docx.oxml.parser import OxmlElement
from docx.oxml.shape import CT_Inline
from docx.parts.image import ImagePart
from docx.shared import Cm, Pt, RGBColor

from framelens.core.domain import Language
from framelens.core.units import date_of
from framelens.reports.content.document import Document
from framelens.reports.content.labels import printable
from framelens.reports.content.provenance import KEY
from framelens.reports.files import ReportFile, zipped

Element = Any
"""lxml's elements are untyped."""
_LOOK_HEADS, _LOOK_NAMES = "0620", "0680"
"""Flags of w:tblLook: the first row or the first column is a header (0020, 0080); no stripes (0600)."""


def element(tag: str, *children: Element, **attributes: str) -> Element:
    """Build an element such as "w:p"; its attributes are in the same namespace."""
    prefix = tag.partition(":")[0]
    built = OxmlElement(tag)
    for key, value in attributes.items():
        built.set(qn(f"{prefix}:{key}"), value)
    built.extend(children)
    return built


def run(text: str, *, style: str = "", is_bold: bool = False) -> Element:
    """Build a run of text in a character style; line breaks and tabs are kept."""
    built = element("w:r")
    properties = [element("w:rStyle", val=style)] if style else []
    properties += [element("w:b")] if is_bold else []
    if properties:
        built.append(element("w:rPr", *properties))
    for place, line in enumerate(printable(text).replace("\x85", "\n").splitlines() or [""]):
        if place:
            built.append(element("w:br"))
        built.append(_text(line))
    return built


def paragraph(children: Iterable[Element], *, style: str = "", **properties: str) -> Element:
    """Build a paragraph of runs and links. `properties` are the values of its property elements, by name."""
    inside = [element("w:pStyle", val=style)] if style else []
    inside += [element(f"w:{name}", val=value) for name, value in properties.items()]
    return element("w:p", *([element("w:pPr", *inside)] if inside else []), *children)


def link(runs: Iterable[Element], *, relation: str) -> Element:
    """Build a link to a relation of the document."""
    built = element("w:hyperlink", *runs, history="1")
    built.set(qn("r:id"), relation)
    return built


def bookmarked(runs: Sequence[Element], *, number: int, name: str) -> list[Element]:
    """Return the runs between the start and the end of a bookmark."""
    start = element("w:bookmarkStart", id=str(number), name=name)
    return [start, *runs, element("w:bookmarkEnd", id=str(number))]


def picture(relation: str, *, number: int, alt: str, width_cm: float, height_cm: float) -> Element:
    """Build a run with a picture; `alt` is its text for screen readers."""
    inline = CT_Inline.new_pic_inline(number, relation, f"picture-{number}", Cm(width_cm), Cm(height_cm))
    inline.docPr.set("descr", printable(alt))
    inline.set("distL", "0")
    inline.set("distR", "0")
    return element("w:r", element("w:drawing", inline))


Cell = Sequence[Element]
"""The paragraphs of a cell of a table."""


def table(heads: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, style: str, widths_cm: Sequence[float]) -> Element:
    """Build a table.

    The header row is repeated on every page; without `heads` the first column is the header.
    """
    look = _LOOK_HEADS if heads else _LOOK_NAMES
    built = element(
        "w:tbl",
        element(
            "w:tblPr",
            element("w:tblStyle", val=style),
            element("w:tblW", w=str(sum(map(_twips, widths_cm))), type="dxa"),
            element("w:tblLayout", type="fixed"),
            element("w:tblLook", val=look),
        ),
        element("w:tblGrid", *(element("w:gridCol", w=str(_twips(width))) for width in widths_cm)),
    )
    if heads:
        built.append(_row(heads, widths_cm, element("w:tblHeader")))
    built.extend(_row(row, widths_cm) for row in rows)
    return built


def field(instruction: str) -> Element:
    """Build a field that the word processor computes, such as "PAGE"."""
    return element("w:fldSimple", element("w:r", _text("1")), instr=instruction)


def _row(cells: Sequence[Cell], widths_cm: Sequence[float], *properties: Element) -> Element:
    built = element("w:tr", element("w:trPr", element("w:cantSplit"), *properties))
    for cell, width in zip(cells, widths_cm, strict=True):
        built.append(element("w:tc", element("w:tcPr", element("w:tcW", w=str(_twips(width)), type="dxa")), *cell))
    return built


def _text(text: str) -> Element:
    built = element("w:t")
    built.text = text
    built.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    return built


def _twips(width_cm: float) -> int:
    """Convert centimetres to twentieths of a point."""
    return round(width_cm / 2.54 * 1440)


# ---- package ---------------------------------------------------------------------------------------------------------

LATIN, CHINESE, FIXED = "Arial", "Microsoft YaHei", "Consolas"
"""Word and LibreOffice substitute a similar font for a missing font."""
CELL, GAP, PROMPT = "Cell", "Gap", "Prompt"
"""Ids of the report's own paragraph styles."""
BODY_CM = 17.0
"""The width of the text: A4 with margins of 2 cm."""
_LANGUAGES: dict[Language, str] = {"zh": "zh-CN", "en": "en-GB"}
_TONES = {"info": ("EAF2FB", "2F6DB0"), "warning": ("FFF6DF", "B7791F"), "error": ("FDECEA", "C0392B")}
_PALE, _QUIET = "F4F6F9", "5B6472"
_TONES |= {"label": (_PALE, _QUIET)}
"""Background and border colours of notices."""
_LONGEST = 255
"""Characters of a core property; the limit of Word and python-docx (ISO/IEC 29500-2 has no limit)."""
_CUSTOM = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" '
    'xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes">'
    '<property fmtid="{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}" pid="2" name="{name}"><vt:lpwstr>{value}</vt:lpwstr>'
    "</property></Properties>"
)


def tone_style(tone: str) -> str:
    """Return the id of the paragraph style of a tone; answers look as the label does."""
    if tone == "quiet":
        return "Caption"
    return f"Notice{'Label' if tone == 'answer' else tone.capitalize()}"


class DocxPackage:
    """A Word document with the parts that every report has; blocks are appended to its `body`."""

    def __init__(self, content: Document) -> None:
        self._document = new_document()
        self._relations: dict[str, str] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._numbers = 0
        _drop_thumbnail(self._document)
        _set_page(self._document, content)
        _add_styles(self._document, content.language)
        _set_properties(self._document, content)
        if content.facts.aigc:
            _add_label(self._document, printable(content.facts.aigc))
        self.body = _Body(self._document)

    def link(self, target: str) -> str:
        """Return the relation to an external address, added on first use."""
        return self._relate(target, RELATIONSHIP_TYPE.HYPERLINK, target, is_external=True)

    def image(self, data: bytes, suffix: str) -> tuple[str, tuple[int, int]]:
        """Return the relation to a picture and its size in pixels.

        A picture that is used several times is stored once.
        """
        key = hashlib.sha256(data).hexdigest()
        if key not in self._relations:
            read = Image.from_blob(data)
            name = PackURI(f"/word/media/{len(self._sizes) + 1}{suffix}")
            self._sizes[key] = (read.px_width, read.px_height)
            part = ImagePart.from_image(read, name)
            self._relate(key, RELATIONSHIP_TYPE.IMAGE, part, is_external=False)
        return self._relations[key], self._sizes[key]

    def next_number(self) -> int:
        """Return a number that no other picture of the document has."""
        self._numbers += 1
        return self._numbers

    def to_bytes(self) -> bytes:
        """Return the file; the same document gives the same bytes, without the time of day."""
        buffer = BytesIO()
        self._document.save(buffer)
        with ZipFile(buffer) as archive:
            return zipped(ReportFile(name, archive.read(name)) for name in archive.namelist())

    def _relate(self, key: str, kind: str, target: str | Part, *, is_external: bool) -> str:
        if key not in self._relations:
            self._relations[key] = f"rIdReport{len(self._relations) + 1}"
            self._document.part.load_rel(kind, target, self._relations[key], is_external)
        return self._relations[key]


class _Body:
    """The body of a document, which inserts blocks before the section properties at its end."""

    def __init__(self, docx: DocxDocument) -> None:
        self._end = docx.element.body.sectPr

    def append(self, block: Element) -> None:
        """Append a block."""
        self._end.addprevious(block)

    def extend(self, blocks: Iterable[Element]) -> None:
        """Append several blocks."""
        for block in blocks:
            self.append(block)


def _drop_thumbnail(docx: DocxDocument) -> None:
    """Remove the thumbnail of the empty document that python-docx begins with."""
    relations = docx.part.package.rels
    for key in [key for key, one in relations.items() if one.reltype == RELATIONSHIP_TYPE.THUMBNAIL]:
        del relations[key]


def _set_page(docx: DocxDocument, content: Document) -> None:
    section = docx.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm((21 - BODY_CM) / 2)
    section.top_margin = section.bottom_margin = Cm(2.2)
    section.different_first_page_header_footer = True  # the first page begins with the title itself
    head, feet = section.header.paragraphs[0], (section.footer.paragraphs[0], section.first_page_footer.paragraphs[0])
    title = " ".join(content.title.split())
    head._p.append(run(f"{title[:80]}…" if len(title) > 80 else title))
    for foot in feet:
        foot._p.extend([run(f"{content.facts.generator} · "), field("PAGE"), run(" / "), field("NUMPAGES")])


def _add_styles(docx: DocxDocument, language: Language) -> None:
    styles = docx.styles
    for name, size in {"Normal": 10, "Title": 20, "Heading 1": 15, "Heading 2": 11.5, "Caption": 8.5}.items():
        _set_font(styles[name], LATIN, size)
    styles["Normal"].paragraph_format.space_after = Pt(6)
    # East Asian text is Chinese in both languages of reports; only the Latin text differs.
    latin = _LANGUAGES["en"] if language == "en" else "en-US"
    styles["Normal"].element.get_or_add_rPr().append(element("w:lang", val=latin, eastAsia="zh-CN"))
    styles["Caption"].font.bold = False
    styles["Caption"].font.color.rgb = RGBColor.from_string(_QUIET)
    for tone, (ground, edge) in _TONES.items():
        _add_box(_add_paragraph_style(docx, tone_style(tone)), ground, edge)
    prompt = _add_paragraph_style(docx, PROMPT)
    _add_box(prompt, _PALE, "D5DAE2")
    _set_font(prompt, FIXED, 8)
    _set_font(_add_paragraph_style(docx, CELL, after=2), LATIN, 9)
    _set_font(_add_paragraph_style(docx, GAP, after=0), LATIN, 4)
    for name, colour in {"Doubt": "8A4B00", "Hyperlink": "24507C"}.items():
        styles.add_style(name, WD_STYLE_TYPE.CHARACTER).font.color.rgb = RGBColor.from_string(colour)


def _add_paragraph_style(docx: DocxDocument, name: str, *, after: float = 6) -> Any:
    style = docx.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = docx.styles["Normal"]
    style.paragraph_format.space_after = Pt(after)
    return style


def _set_font(style: Any, latin: str, size: float) -> None:
    """Set the font of a style in place of the theme's fonts, which depend on the system."""
    style.font.size = Pt(size)
    properties = style.element.get_or_add_rPr()
    for old in properties.findall(qn("w:rFonts")):
        properties.remove(old)
    properties.insert(0, element("w:rFonts", ascii=latin, hAnsi=latin, cs=latin, eastAsia=CHINESE))


def _add_box(style: Any, ground: str, edge: str) -> None:
    properties = style.element.get_or_add_pPr()  # its children have a fixed order: these come before spacing
    properties.insert(0, element("w:shd", val="clear", color="auto", fill=ground))
    properties.insert(0, element("w:pBdr", element("w:left", val="single", sz="18", space="8", color=edge)))


def _set_properties(docx: DocxDocument, content: Document) -> None:
    facts, core = content.facts, docx.core_properties
    texts = {
        "title": content.title,
        "author": facts.generator,
        "last_modified_by": facts.generator,
        "comments": facts.ai_label,
        "subject": facts.video,
        "keywords": facts.model,
        "identifier": facts.content_id,
        "language": _LANGUAGES[content.language],
    }
    for name, text in texts.items():
        setattr(core, name, " ".join(printable(text).split())[:_LONGEST])
    if when := date_of(facts.created):
        core.created = core.modified = when


def _add_label(docx: DocxDocument, label: str) -> None:
    """Add the label as a custom property, which python-docx doesn't support."""
    package = docx.part.package
    blob = _CUSTOM.format(name=KEY, value=escape(label)).encode()
    kind = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
    package.relate_to(Part(PackURI("/docProps/custom.xml"), kind, blob, package), RELATIONSHIP_TYPE.CUSTOM_PROPERTIES)
