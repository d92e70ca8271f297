"""Builders of the WordprocessingML elements (ISO/IEC 29500-1) that a report uses.

The elements are built directly rather than through python-docx's objects, which search the whole document for each
added cell, link and picture: with thousands of them that takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from docx.oxml.shape import CT_Inline
from docx.shared import Cm

from app.reports.content import printable

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


def run(text: str, *, style: str = "") -> Element:
    """Build a run of text in one character style; line breaks and tabs are kept."""
    built = element("w:r")
    if style:
        built.append(element("w:rPr", element("w:rStyle", val=style)))
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


def link(runs: Iterable[Element], *, relation: str = "", anchor: str = "") -> Element:
    """Build a link to a relation of the document or to a bookmark in it."""
    built = element("w:hyperlink", *runs, history="1")
    if relation:
        built.set(qn("r:id"), relation)
    else:
        built.set(qn("w:anchor"), anchor)
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


def table(
    heads: Sequence[Element], rows: Iterable[Sequence[Element]], *, style: str, widths_cm: Sequence[float]
) -> Element:
    """Build a table of paragraphs.

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


def _row(cells: Sequence[Element], widths_cm: Sequence[float], *properties: Element) -> Element:
    built = element("w:tr", element("w:trPr", element("w:cantSplit"), *properties))
    for cell, width in zip(cells, widths_cm, strict=True):
        built.append(element("w:tc", element("w:tcPr", element("w:tcW", w=str(_twips(width)), type="dxa")), cell))
    return built


def _text(text: str) -> Element:
    built = element("w:t")
    built.text = text
    built.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    return built


def _twips(width_cm: float) -> int:
    """Convert centimetres to twentieths of a point."""
    return round(width_cm / 2.54 * 1440)
