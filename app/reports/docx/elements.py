"""The elements of WordprocessingML (ISO/IEC 29500-1) that a report is made of.

They are put together here rather than through python-docx's objects, which look through the whole document with each
cell, link and picture that is added: with thousands of them that takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from docx.oxml.shape import CT_Inline
from docx.shared import Cm

from app.reports.content.plain_text import printable

Element = Any
"""lxml's elements carry no types of their own."""
_LOOK_HEADS, _LOOK_NAMES = "0620", "0680"
"""Bits of a table's look: its first row, or its first column, is a head (0020, 0080); no stripes (0600)."""


def element(tag: str, *children: Element, **attributes: str) -> Element:
    """An element such as "w:p"; attributes are of the same namespace."""
    prefix = tag.partition(":")[0]
    made = OxmlElement(tag)
    for key, value in attributes.items():
        made.set(qn(f"{prefix}:{key}"), value)
    made.extend(children)
    return made


def run(text: str, *, style: str = "") -> Element:
    """Words of one character style; line breaks and tabs stay what they are."""
    made = element("w:r")
    if style:
        made.append(element("w:rPr", element("w:rStyle", val=style)))
    for place, line in enumerate(printable(text).replace("\x85", "\n").splitlines() or [""]):
        if place:
            made.append(element("w:br"))
        made.append(_text(line))
    return made


def paragraph(children: Iterable[Element], *, style: str = "", **properties: str) -> Element:
    """A paragraph of runs and links. `properties` are elements of its properties, by name, with their value."""
    inside = [element("w:pStyle", val=style)] if style else []
    inside += [element(f"w:{name}", val=value) for name, value in properties.items()]
    return element("w:p", *([element("w:pPr", *inside)] if inside else []), *children)


def link(runs: Iterable[Element], *, relation: str = "", anchor: str = "") -> Element:
    """A link to a relation of the document, or to a bookmark in it."""
    made = element("w:hyperlink", *runs, history="1")
    if relation:
        made.set(qn("r:id"), relation)
    else:
        made.set(qn("w:anchor"), anchor)
    return made


def bookmarked(runs: Sequence[Element], *, number: int, name: str) -> list[Element]:
    start = element("w:bookmarkStart", id=str(number), name=name)
    return [start, *runs, element("w:bookmarkEnd", id=str(number))]


def picture(relation: str, *, number: int, alt: str, width_cm: float, height_cm: float) -> Element:
    """A run that holds a picture; `alt` is read to those who do not see it."""
    inline = CT_Inline.new_pic_inline(number, relation, f"picture-{number}", Cm(width_cm), Cm(height_cm))
    inline.docPr.set("descr", printable(alt))
    inline.set("distL", "0")
    inline.set("distR", "0")
    return element("w:r", element("w:drawing", inline))


def table(
    heads: Sequence[Element], rows: Iterable[Sequence[Element]], *, style: str, widths_cm: Sequence[float]
) -> Element:
    """A table of paragraphs. The row of heads is repeated on every page; without it the first column is the head."""
    look = _LOOK_HEADS if heads else _LOOK_NAMES
    made = element(
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
        made.append(_row(heads, widths_cm, element("w:tblHeader")))
    made.extend(_row(row, widths_cm) for row in rows)
    return made


def field(instruction: str) -> Element:
    """What the word processor works out itself, such as "PAGE"."""
    return element("w:fldSimple", element("w:r", _text("1")), instr=instruction)


def _row(cells: Sequence[Element], widths_cm: Sequence[float], *properties: Element) -> Element:
    made = element("w:tr", element("w:trPr", element("w:cantSplit"), *properties))
    for cell, width in zip(cells, widths_cm, strict=True):
        made.append(element("w:tc", element("w:tcPr", element("w:tcW", w=str(_twips(width)), type="dxa")), cell))
    return made


def _text(text: str) -> Element:
    made = element("w:t")
    made.text = text
    made.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    return made


def _twips(width_cm: float) -> int:
    """Twentieths of a point."""
    return round(width_cm / 2.54 * 1440)
