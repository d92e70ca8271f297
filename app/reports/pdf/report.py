"""The report as a PDF, set by Typst: for people who print, archive and hand on.

It keeps to PDF/A-2a (archives) and PDF/UA-1 (screen readers), for which every character must have a shape. Typst gets a
fixed template (pdf.typ) and the document as values, in a folder of its own, and needs no network.

Texts stay strings from here to the page, so none of them can become markup. Pictures and charts are files beside the
template; here stand their names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.core.domain import Analysis, Language
from app.core.images import smaller
from app.i18n import t
from app.reports.content.builder import document
from app.reports.content.document import (
    Block,
    Document,
    Gallery,
    Heading,
    Line,
    Listing,
    Paragraph,
    Picture,
    Span,
    Table,
    Timeline,
    Verbatim,
    signed,
    words,
)
from app.reports.content.labels import date_of, moment_address
from app.reports.content.plain_text import printable
from app.reports.graphics.chart_svg import lettered_svg
from app.reports.graphics.fonts import BOLD, REGULAR, Faces, faces_for
from app.reports.pdf.metadata import labelled

TEMPLATE = Path(__file__).with_name("pdf.typ")
_PICTURE_SIDE = 800
"""The longer side in pixels: 320 dots an inch at the width at which pictures are set."""
PICTURE_CM = (6.4, 4.8)
"""The most room of a picture, in width and height: its text stands beside it."""
_RUNNING = 60
"""Letters of the title that have room at the head of every page."""
Form = dict[str, Any]


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


def form(told: Document) -> Form:
    """Everything that the template needs. Headings of the document are at levels 1 and 2 here, under its title."""
    facts = told.facts
    title = " ".join(told.title.split())
    return {
        "title": title,
        "running": f"{title[:_RUNNING]}…" if len(title) > _RUNNING else title,
        "language": told.language,
        "generator": facts.generator,
        "description": facts.ai_label,
        "keywords": [word for word in (facts.video, facts.model) if word],
        "contents": t("report.contents", told.language),
        "blocks": _with_frames([made for block in told.blocks for made in _block(block, facts.video)]),
    }


def _with_frames(blocks: Sequence[Form]) -> list[Form]:
    """The same blocks, with each picture and its text, up to the next heading, as one block side by side."""
    grouped: list[Form] = []
    for block in blocks:
        if block["kind"] == "picture":
            grouped.append({"kind": "frame", "picture": block, "blocks": []})
        elif grouped and grouped[-1]["kind"] == "frame" and block["kind"] != "heading":
            grouped[-1]["blocks"].append(block)
        else:
            grouped.append(block)
    return grouped


def strings(value: Any, change: Callable[[str], str]) -> Any:
    """The same values with every string changed; keys stay."""
    match value:
        case str():
            return change(value)
        case list():
            return [strings(one, change) for one in value]
        case dict():
            return {key: strings(one, change) for key, one in value.items()}
        case _:
            return value


def picture_name(picture: Picture) -> str:
    return f"{picture.number}.jpg"


def chart_name(timeline: Timeline) -> str:
    return f"{timeline.heading.anchor}.svg"


def _block(block: Block, video: str) -> Iterator[Form]:
    match block:
        case Heading():
            yield _heading(block, video)
        case Paragraph(tone=tone):
            yield {"kind": "paragraph", "tone": tone, "line": _line(signed(block), video)}
        case Listing(items):
            yield {"kind": "listing", "items": [_line(item, video) for item in items]}
        case Table():
            yield _table(block, video)
        case Picture(alt=alt):
            yield {
                "kind": "picture",
                "file": picture_name(block),
                "alt": alt,
                "width": round(block.within(*PICTURE_CM)[0], 2),
            }
        case Gallery():
            return  # each frame follows beside its text, and two pages of them show as many as a gallery does
        case Timeline(heading, _, alt):
            yield _heading(heading, video)
            yield {"kind": "chart", "file": chart_name(block), "alt": alt}
        case Verbatim(summary, text):
            yield {"kind": "verbatim", "summary": summary, "text": text}


def _heading(heading: Heading, video: str) -> Form:
    """The contents list what is no frame; a title in that list cannot be a link of its own."""
    listed = not heading.anchor.startswith("frame-")
    line = [_span(Span(words(heading.line)), video)] if listed else _line(heading.line, video)
    return {"kind": "heading", "level": heading.level - 1, "line": line, "anchor": heading.anchor, "listed": listed}


def _table(table: Table, video: str) -> Form:
    columns = len(table.heads) or len(table.rows[0]) if table.rows or table.heads else 0
    return {
        "kind": "table" if columns and table.rows else "nothing",
        "shape": "numbers" if table.numbers else "findings" if table.heads else "pairs",
        "columns": columns,
        "heads": [_line(head, video) for head in table.heads],
        "rows": [[_line(cell, video) for cell in row] for row in table.rows],
    }


def _line(line: Line, video: str) -> list[Form]:
    return [_span(span, video) for span in line]


def _span(span: Span, video: str) -> Form:
    to = "" if span.at_seconds is None else moment_address(video, span.at_seconds)
    return {"text": span.text, "style": span.style, "to": to}
