"""Writer of the label of generated texts (`ai_disclosure`) into a finished PDF, since Typst can't add own entries.

The label is the entry AIGC of the information dictionary and the property AIGC of the XMP packet, where PDF/A requires
a description of it. It is appended as an incremental update (PDF 1.7, 7.5.6), without rewriting the file. Only PDFs of
Typst are supported: uncompressed objects and a single cross-reference table.
"""

from __future__ import annotations

import re
from html import escape

from app.reports.content.ai_disclosure import KEY

_NAMESPACE, _PREFIX = "http://www.tc260.org.cn/ns/AIGC/1.0/", "TC260"
"""Names from the practice guide on labels in files of the standard's committee (TC260)."""
_EXTENSION = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>GB 45438-2025</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>{_PREFIX}</pdfaSchema:prefix>"
    '<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">'
    f"<pdfaProperty:name>{KEY}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
    "<pdfaProperty:category>external</pdfaProperty:category>"
    "<pdfaProperty:description>Label of generated content</pdfaProperty:description>"
    "</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li>"
)


def add_ai_label(pdf: bytes, label: str) -> bytes:
    """Return the PDF with the label, which is JSON on one line; unchanged if the label is empty."""
    if not label:
        return pdf
    table = int(pdf[pdf.rindex(b"startxref") :].split()[1])
    places = _places(pdf, table)
    trailer = pdf[pdf.rindex(b"trailer") : pdf.rindex(b"startxref")].split(b"trailer", 1)[1].strip()
    info = _number(rb"/Info (\d+) 0 R", trailer)
    packet = _number(rb"/Metadata (\d+) 0 R", _object(pdf, places, _number(rb"/Root (\d+) 0 R", trailer)))
    changed = {
        info: _with_entry(_object(pdf, places, info), label),
        packet: _with_property(_object(pdf, places, packet), label),
    }
    return _append_update(pdf, changed, trailer.removesuffix(b">>") + b"/Prev %d>>" % table)


def _places(pdf: bytes, table: int) -> list[int]:
    """Read the offset of each object, by its number; every entry of the table has 20 bytes."""
    head = re.compile(rb"xref\s+0 (\d+)\s+").match(pdf, table)
    assert head
    return [int(pdf[at : at + 10]) for at in range(head.end(), head.end() + 20 * int(head[1]), 20)]


def _object(pdf: bytes, places: list[int], number: int) -> bytes:
    """Return the content between "obj" and "endobj", which may contain these words itself."""
    start = places[number]
    end = min(place for place in (*places, len(pdf)) if place > start)
    return pdf[start:end].split(b"obj", 1)[1].rpartition(b"endobj")[0].strip()


def _with_entry(info: bytes, label: str) -> bytes:
    text = (b"\xfe\xff" + label.encode("utf-16-be")).hex().upper().encode()
    return info.removesuffix(b">>") + b"/%s<%s>>>" % (KEY.encode(), text)


def _with_property(stream: bytes, label: str) -> bytes:
    packet = stream.split(b"stream", 1)[1].rpartition(b"endstream")[0].strip().decode()
    described = packet.replace("</rdf:Bag></pdfaExtension:schemas>", f"{_EXTENSION}</rdf:Bag></pdfaExtension:schemas>")
    value = f'<{_PREFIX}:{KEY} xmlns:{_PREFIX}="{_NAMESPACE}">{escape(label, quote=False)}</{_PREFIX}:{KEY}>'
    head, tail, rest = described.rpartition("</rdf:Description></rdf:RDF>")
    data = f"{head}{value}{tail}{rest}".encode()
    return b"<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%s\nendstream" % (len(data), data)


def _append_update(pdf: bytes, changed: dict[int, bytes], trailer: bytes) -> bytes:
    updated, table = bytearray(pdf.rstrip() + b"\n"), bytearray(b"xref\n0 1\n0000000000 65535 f\r\n")
    for number, content in sorted(changed.items()):
        table += b"%d 1\n%010d 00000 n\r\n" % (number, len(updated))
        updated += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(updated)
    return bytes(updated + table + b"trailer\n" + trailer + b"\nstartxref\n%d\n%%%%EOF\n" % start)


def _number(pattern: bytes, text: bytes) -> int:
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in Typst's PDF"
    return int(found[1])
