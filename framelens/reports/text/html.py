"""Report as one self-contained HTML file with embedded pictures and styles and without scripts.

A time is a link to that moment of the video, which works if the video is in the same folder. report.html is the
template; Jinja escapes every value, and a Content-Security-Policy in the file blocks whatever might be injected
nonetheless.
"""

import base64
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from framelens.core.domain import Analysis, Language
from framelens.core.images import smaller
from framelens.i18n import in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.document import Block, Document, Heading, PictureBlock, Timeline, plain_text, signed
from framelens.reports.content.labels import moment_address, printable
from framelens.reports.graphics.chart_svg import Palette, svg

_PICTURE_SIDE, _CARD_SIDE, _THUMBNAIL_SIDE = 640, 480, 240
"""Longer sides in pixels, for some 35, 20 and 7 KB a picture."""
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
    stretches=(
        ("black", "var(--ink)"),
        ("frozen", "var(--quiet)"),
        ("flashing", "var(--error)"),
        ("silent", "var(--chapter)"),
        ("skipped", "var(--soft)"),
    ),
)


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the report as HTML in UTF-8; with its appendix about 45 KB per keyframe."""
    with in_language(language):
        content = document(analysis, appendix=appendix)
        return render_html(content, partial(moment_address, content.facts))


def render_html(content: Document, moment: Callable[[float], str]) -> bytes:
    """Return a document as HTML in UTF-8, with the fixed texts in the language of the context.

    Args:
        content: The document.
        moment: Returns the address of a time of the video, or "".
    """
    facts = content.facts
    headings = (_heading(block) for block in content.appendix)
    page = _template().render(
        language=_LANGUAGES[content.language],
        metadata={"generator": facts.generator, "dcterms.created": facts.created, "AIGC": facts.aigc},
        title=content.title,
        contents=t("report.contents"),
        sections=[heading for heading in headings if heading and heading.level == 2],
        blocks=content.blocks,
        appendix=content.appendix,
        appendix_title=t("report.appendix"),
        moment=moment,
    )
    return page.encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printable,
    )
    environment.filters |= {"kind": _kind, "signed": signed, "words": plain_text}
    environment.globals |= {
        "policy": _POLICY,
        "style": Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8")),
        "br": Markup("<br>"),
        "picture_side": _PICTURE_SIDE,
        "card_side": _CARD_SIDE,
        "thumbnail_side": _THUMBNAIL_SIDE,
        "size": _size,
        "data": _data,
        "chart": _chart,
    }
    return environment.get_template("report.html")


def _printable(value: object) -> object:
    """Name the control characters of a text; markup was made from such texts."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _kind(block: Block) -> str:
    return type(block).__name__


def _heading(block: Block) -> Heading | None:
    return block if isinstance(block, Heading) else block.heading if isinstance(block, Timeline) else None


def _size(picture: PictureBlock, side: int) -> tuple[int, int]:
    share = min(1.0, side / max(picture.width, picture.height, 1))
    return round(picture.width * share), round(picture.height * share)


def _data(picture: PictureBlock, side: int) -> str:
    return base64.b64encode(smaller(picture.jpeg, side)).decode("ascii")


def _chart(block: Timeline) -> Markup:
    return Markup(svg(block.chart, block.alt, palette=_PALETTE, links=True, font=_FONTS))
