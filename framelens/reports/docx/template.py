"""Empty Word document with the page, styles, header, footer and properties of a report, and its bytes.

python-docx does all but the few elements (ISO/IEC 29500-1) that it has no objects for: fields, boxes, languages of
text, and the label of generated texts.
"""

from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZipFile

from docx import Document as new_document
from docx.document import Document as DocxDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph

from framelens.core.domain import Language
from framelens.core.units import date_of
from framelens.reports.content.document import Document
from framelens.reports.content.labels import printable
from framelens.reports.content.provenance import AIGC_KEY
from framelens.reports.files import ReportFile, zipped

LATIN, CHINESE, FIXED = "Arial", "Microsoft YaHei", "Consolas"
"""Word and LibreOffice substitute a similar font for a missing font."""
CELL, GAP, PROMPT = "Cell", "Gap", "Prompt"
"""Names of the report's own paragraph styles."""
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


def element(tag: str, *children: Any, **attributes: str) -> Any:
    """Build an element such as "w:shd"; its attributes are in the same namespace."""
    built = OxmlElement(tag)
    for key, value in attributes.items():
        built.set(qn(f"{tag.partition(':')[0]}:{key}"), value)
    built.extend(children)
    return built


def tone_style(tone: str) -> str:
    """Return the name of the paragraph style of a tone; answers look as the label does."""
    if tone == "quiet":
        return "Caption"
    return f"Notice{'Label' if tone == 'answer' else tone.capitalize()}"


def new_report(content: Document) -> DocxDocument:
    """Return a document without text but in its header and footer."""
    docx = new_document()
    _drop_thumbnail(docx)
    _set_page(docx, content)
    _add_styles(docx, content.language)
    _set_properties(docx, content)
    if content.facts.aigc:
        _add_label(docx, printable(content.facts.aigc))
    return docx


def to_bytes(docx: DocxDocument) -> bytes:
    """Return the file; the same document gives the same bytes, without the time of day."""
    buffer = BytesIO()
    docx.save(buffer)
    with ZipFile(buffer) as archive:
        return zipped(ReportFile(name, archive.read(name)) for name in archive.namelist())


def _drop_thumbnail(docx: DocxDocument) -> None:
    """Remove the thumbnail of the empty document that python-docx begins with."""
    relations = docx.part.package.rels
    for key in [key for key, relation in relations.items() if relation.reltype == RELATIONSHIP_TYPE.THUMBNAIL]:
        del relations[key]


def _set_page(docx: DocxDocument, content: Document) -> None:
    section = docx.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm((21 - BODY_CM) / 2)
    section.top_margin = section.bottom_margin = Cm(2.2)
    section.different_first_page_header_footer = True  # the first page begins with the title itself
    head, feet = section.header.paragraphs[0], (section.footer.paragraphs[0], section.first_page_footer.paragraphs[0])
    title = " ".join(content.title.split())
    head.add_run(printable(f"{title[:80]}…" if len(title) > 80 else title))
    for foot in feet:
        foot.add_run(f"{content.facts.generator} · ")
        _add_field(foot, "PAGE")
        foot.add_run(" / ")
        _add_field(foot, "NUMPAGES")


def _add_field(paragraph: Paragraph, instruction: str) -> None:
    """Add a field that the word processor computes."""
    field = element("w:fldSimple", instr=instruction)
    paragraph._p.append(field)
    field.append(paragraph.add_run("1")._r)


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
    blob = _CUSTOM.format(name=AIGC_KEY, value=escape(label)).encode()
    kind = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
    package.relate_to(Part(PackURI("/docProps/custom.xml"), kind, blob, package), RELATIONSHIP_TYPE.CUSTOM_PROPERTIES)
