"""Report as one self-contained HTML file with embedded pictures and styles and without scripts.

A time is a link to that moment of the video, which works if the video is in the same folder. All text goes through
`_text` or `_attribute`, and a Content-Security-Policy in the file blocks anything that were injected nonetheless.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from pathlib import Path

from app.core import Analysis, Language, smaller
from app.i18n import t
from app.reports.content import (
    Block,
    Document,
    Gallery,
    Heading,
    Line,
    Listing,
    Paragraph,
    PictureBlock,
    Span,
    Table,
    Timeline,
    Verbatim,
    moment_address,
    printable,
    signed,
    words,
)
from app.reports.content.builder import document
from app.reports.graphics.chart_svg import Palette, svg

_PICTURE_SIDE, _THUMBNAIL_SIDE = 640, 200
"""Longer sides in pixels, for some 35 and 6 KB a picture. Chosen by hand; not tuned."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FONTS = "system-ui, 'Segoe UI', Roboto, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
_LANGUAGES: dict[Language, str] = {"zh": "zh-Hans", "en": "en"}
_PALETTE = Palette(
    bands=("var(--band)", "var(--band-light)"),
    chapters=("var(--chapter)", "var(--chapter-light)"),
    chapter_text="var(--on-chapter)",
    curve="var(--curve)",
    tick="var(--tick)",
    text="var(--quiet)",
    stretches=(("black", "var(--ink)"), ("frozen", "var(--quiet)"), ("flashing", "var(--error)")),
)


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the report as HTML in UTF-8, about 45 KB per keyframe."""
    content = document(analysis, language)
    page = _Page(content, analysis.video.name)
    return "".join(page.parts()).encode()


class _Page:
    def __init__(self, content: Document, video_name: str) -> None:
        self._content = content
        self._video_name = video_name

    def parts(self) -> Iterator[str]:
        content = self._content
        yield f'<!DOCTYPE html>\n<html lang="{_LANGUAGES[content.language]}">\n<head>\n<meta charset="utf-8">\n'
        yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        yield '<meta name="color-scheme" content="light dark">\n'
        facts = content.facts
        metadata = {"generator": facts.generator, "dcterms.created": facts.created, "AIGC": facts.aigc}
        for name, value in metadata.items():
            yield f'<meta name="{name}" content={_attribute(value)}>\n' if value else ""
        yield f"<title>{_text(content.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        yield f'<header>\n<h1 dir="auto">{_text(content.title)}</h1>\n</header>\n{self._contents()}<main>\n'
        for block in content.blocks:
            yield from self._block(block)
        yield "</main>\n</body>\n</html>\n"

    def _contents(self) -> str:
        sections = [heading for block in self._content.blocks if (heading := _heading(block)) and heading.level == 2]
        items = (f'<li><a href="#{one.anchor}">{_text(words(one.line))}</a></li>' for one in sections)
        label = _attribute(t("report.contents", self._content.language))
        return f"<nav aria-label={label}>\n<ul>{''.join(items)}</ul>\n</nav>\n"

    def _block(self, block: Block) -> Iterator[str]:
        match block:
            case Heading():
                yield self._titled(block)
            case Paragraph(tone="plain"):
                yield f'<p dir="auto">{self._inline(block.line)}</p>\n'
            case Paragraph():
                lines = "<br>".join(map(_text, words(signed(block)).splitlines()))
                yield f'<p class="{block.tone}" role="note" dir="auto">{lines}</p>\n'
            case Listing(items):
                rows = "".join(f'<li dir="auto">{self._inline(item)}</li>\n' for item in items)
                yield f"<ul>\n{rows}</ul>\n"
            case Table():
                yield from self._table(block)
            case PictureBlock():
                place = f'href={_attribute(self._moment(block.time_seconds))} target="_blank" rel="noopener"'
                yield f"<figure><a {place}>{_image(block, _PICTURE_SIDE)}</a></figure>\n"
            case Gallery(pictures):
                yield f'<ul class="gallery">\n{"".join(map(_thumbnail, pictures))}</ul>\n'
            case Timeline(heading, chart, alt):
                drawn = svg(chart, alt, palette=_PALETTE, links=True, font=_FONTS)
                wide = f'<div class="scroll chart" tabindex="0">{drawn}</div>'
                yield f"{self._titled(heading)}<figure>{wide}<figcaption>{_text(alt)}</figcaption></figure>\n"
            case Verbatim(summary, text):
                folded = f'<pre dir="auto">{_text(text)}</pre>'
                yield f"<details><summary>{_text(summary)}</summary>{folded}</details>\n"

    def _titled(self, heading: Heading) -> str:
        level = heading.level
        return f'<h{level} id="{heading.anchor}" dir="auto">{self._inline(heading.line)}</h{level}>\n'

    def _table(self, table: Table) -> Iterator[str]:
        yield f'<div class="scroll" tabindex="0"><table{" class=numbers" if table.numbers else ""}>\n'
        if table.heads:
            heads = "".join(f'<th scope="col">{self._inline(head)}</th>' for head in table.heads)
            yield f"<thead><tr>{heads}</tr></thead>\n"
        yield "<tbody>\n"
        for row in table.rows:
            yield f"<tr>{''.join(self._cells(row, is_named=not table.heads))}</tr>\n"
        yield "</tbody></table></div>\n"

    def _cells(self, row: Iterable[Line], *, is_named: bool) -> Iterator[str]:
        """Yield the cells of a row; in a table without a header row, the first cell is the row's header."""
        for place, cell in enumerate(row):
            is_head = is_named and place == 0
            begin, end = ('<th scope="row"', "th") if is_head else ("<td", "td")
            yield f'{begin} dir="auto">{self._inline(cell)}</{end}>'

    def _inline(self, line: Line) -> str:
        return "".join(map(self._span, line))

    def _span(self, span: Span) -> str:
        text = _text(span.text)
        if span.at_seconds is not None:
            place = _attribute(self._moment(span.at_seconds))
            return f'<a class="time" href={place} target="_blank" rel="noopener">{text}</a>'
        match span.style:
            case "strong":
                return f"<strong>{text}</strong>"
            case "doubt":
                return f'<em class="doubt">⚠️ {text}</em>'
            case _:
                return text

    def _moment(self, seconds: float) -> str:
        return moment_address(self._video_name, seconds)


def _heading(block: Block) -> Heading | None:
    return block if isinstance(block, Heading) else block.heading if isinstance(block, Timeline) else None


def _thumbnail(picture: PictureBlock) -> str:
    image = _image(picture, _THUMBNAIL_SIDE)
    return f'<li><a href="#{picture.anchor}">{image}<span>{_text(picture.alt)}</span></a></li>\n'


def _image(picture: PictureBlock, side: int) -> str:
    data = base64.b64encode(smaller(picture.jpeg, side)).decode("ascii")
    longer = max(picture.width, picture.height, 1)
    width, height = (round(one * min(1.0, side / longer)) for one in (picture.width, picture.height))
    size = f'width="{width}" height="{height}"'
    return f'<img src="data:image/jpeg;base64,{data}" alt={_attribute(picture.alt)} {size} loading="lazy">'


def _text(text: str) -> str:
    return escape(printable(text), quote=False)


def _attribute(text: str) -> str:
    return f'"{escape(printable(text))}"'


@cache
def _style() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")
