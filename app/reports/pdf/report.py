"""The report as a PDF, set by Typst: for people who print, archive and hand on.

It keeps to PDF/A-2a (archives) and PDF/UA-1 (screen readers), for which every character must have a shape. Typst gets a
fixed template (pdf.typ) and the document as values, in a folder of its own, and needs no network.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from app.domain import Analysis, Language
from app.pictures import smaller
from app.reports.content.builder import document
from app.reports.content.document import Document, Picture, Timeline
from app.reports.content.links import date_of
from app.reports.content.plain_text import printable
from app.reports.graphics.chart_png import lettered_svg
from app.reports.graphics.fonts import BOLD, REGULAR, Faces, faces_for
from app.reports.pdf.metadata import labelled
from app.reports.pdf.template_values import Form, chart_name, form, picture_name, strings

TEMPLATE = Path(__file__).with_name("pdf.typ")
_PICTURE_SIDE = 800
"""The longer side in pixels: 320 dots an inch at the width at which pictures are set."""


def write(analysis: Analysis, language: Language) -> bytes:
    """PDF 1.7; the same analysis gives the same bytes where the same fonts are at hand."""
    import typst

    told = document(analysis, language)
    values = form(told)
    faces = faces_for(json.dumps(values, ensure_ascii=False))
    try:
        pdf = _set(told, values, faces)
    except typst.TypstError:
        if not faces.others:
            raise
        pdf = _set(told, values, Faces())  # a font of the machine does not hold what it says
    return labelled(pdf, printable(told.facts.aigc))


def _set(told: Document, values: Form, faces: Faces) -> bytes:
    import typst

    made = date_of(told.facts.created)
    with TemporaryDirectory(prefix="framelens-pdf-") as name:
        folder = Path(name)
        _lay_out(folder, told, values, faces, dated=made is not None)
        return typst.compile(
            folder / "main.typ",
            root=folder,
            font_paths=[folder],
            ignore_system_fonts=True,
            pdf_standards=["a-2a", "ua-1"] if made else ["ua-1"],  # an archive asks for a date
            package_path=folder,
            timestamp=made or 0,
        )


def _lay_out(folder: Path, told: Document, values: Form, faces: Faces, *, dated: bool) -> None:
    """Everything that Typst reads."""
    for place, font in enumerate((REGULAR, BOLD, *(face.path for face in faces.others))):
        shutil.copyfile(font, folder / f"font-{place}{font.suffix}")
    shutil.copyfile(TEMPLATE, folder / "main.typ")
    shown = strings(values, faces.shown) | {"dated": dated, "faces": list(faces.families)}
    (folder / "form.json").write_text(json.dumps(shown, ensure_ascii=False), encoding="utf-8")
    for name, data in _images(told):
        (folder / name).write_bytes(data)


def _images(told: Document) -> Iterator[tuple[str, bytes]]:
    for block in told.blocks:
        match block:
            case Picture():
                yield picture_name(block), smaller(block.jpeg, _PICTURE_SIDE)
            case Timeline(_, chart, alt):
                yield chart_name(block), lettered_svg(chart, alt).encode()
