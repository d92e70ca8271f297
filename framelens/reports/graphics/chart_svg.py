"""Timeline chart as SVG, in the page's colours for HTML and in fixed colours elsewhere, and as PNG."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from framelens.core.domain import StretchType
from framelens.reports.content.labels import printable
from framelens.reports.graphics.chart import Band, TimelineChart
from framelens.reports.graphics.fonts import FOLDER, FONT_FAMILY, Faces

WIDTH, HEIGHT = 960, 148
_CHAPTERS, _SHOTS, _CURVE, _SILENCE = (0, 24), (28, 20), (52, 64), (110, 6)
"""Top and height of each row, in units of the view box. Silence lies at the foot of the curve: a picture can be black
or frozen meanwhile."""
_STRETCH_ROWS: dict[StretchType, tuple[tuple[int, int], float]] = {"silent": (_SILENCE, 1.0), "skipped": (_CURVE, 0.85)}
"""Row and opacity of a segment, if not a third over the curve. Nothing is known of what was not looked at."""
_SCALE_Y = 140
_LETTERS = 12
_TEMPLATE = b"""
#set page(width: 17cm, height: auto, margin: 0pt, fill: white)
#image(bytes(sys.inputs.svg), width: 100%)
"""
_DOTS_PER_INCH = 200.0


@dataclass(frozen=True)
class Palette:
    """Colours in SVG syntax. The two `bands` alternate; `stretches` are drawn over the curve."""

    bands: tuple[str, str] = ("#c9d6e8", "#e6ecf5")
    chapters: tuple[str, str] = ("#2f5d8a", "#47779f")
    chapter_text: str = "#ffffff"
    curve: str = "#9db7d5"
    tick: str = "#c2410c"
    text: str = "#4b5563"
    stretches: tuple[tuple[StretchType, str], ...] = (
        ("black", "#111827"),
        ("frozen", "#6b7280"),
        ("flashing", "#b91c1c"),
        ("silent", "#2f5d8a"),
        ("skipped", "#ffffff"),
    )


PRINTED = Palette()


def svg(
    chart: TimelineChart, alt: str, *, palette: Palette = PRINTED, links: bool = False, font: str = "sans-serif"
) -> str:
    """Return the chart as an `<svg>` element.

    Args:
        chart: The chart.
        alt: Its description in words.
        palette: The colours.
        links: Whether each tick is a link to the anchor of its frame.
        font: The font family of the labels.
    """
    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img" aria-label={_quote(alt)}>'
    group = f'<g font-family={_quote(font)} font-size="{_LETTERS}">'
    return "".join((head, group, *_shapes(chart, palette, links=links), "</g></svg>"))


def _shapes(chart: TimelineChart, palette: Palette, *, links: bool) -> Iterator[str]:
    for index, band in enumerate(chart.chapters):
        yield _rect(band, *_CHAPTERS, palette.chapters[index % 2])
        yield _title(band, palette.chapter_text)
    for index, band in enumerate(chart.shots):
        yield _rect(band, *_SHOTS, palette.bands[index % 2])
    yield _curve(chart, palette.curve)
    colours = dict(palette.stretches)
    for kind, band in chart.stretches:
        row, opacity = _STRETCH_ROWS.get(kind, (_CURVE, 0.35))
        yield _rect(band, *row, colours[kind], opacity=opacity)
    for tick in chart.frames:
        line = _tick(_x(tick.at), palette.tick)
        yield f'<a href="#frame-{tick.number}">{line}</a>' if links else line
    for share, label in chart.scale:
        yield _text(_x(share), _SCALE_Y, label, palette.text, anchor=_anchor(share))


def _x(share: float) -> float:
    return round(share * WIDTH, 2)


def _rect(band: Band, top: int, height: int, colour: str, *, opacity: float = 1.0) -> str:
    width = max(0.5, _x(band.end) - _x(band.start))
    alpha = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    geometry = f'x="{_x(band.start)}" y="{top}" width="{width:.2f}" height="{height}"'
    return f'<rect {geometry} fill="{colour}"{alpha}/>'


def _title(band: Band, colour: str) -> str:
    """Return the part of a chapter's title that fits into its band, as an element."""
    top, height = _CHAPTERS
    fitting = _fitting(band.label, _x(band.end) - _x(band.start) - 12)
    return _text(_x(band.start) + 6, top + height - 8, fitting, colour) if fitting else ""


def _fitting(text: str, width: float) -> str:
    """Return the text, cut with an ellipsis if needed, or "" if not even two characters fit."""
    used, shown = 0.0, ""
    for letter in " ".join(printable(text).split()):
        used += _LETTERS * (1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.6)
        if used > width:
            return f"{shown[:-1]}…" if len(shown) > 2 else ""
        shown += letter
    return shown


def _curve(chart: TimelineChart, colour: str) -> str:
    if not chart.curve:
        return ""
    top, height = _CURVE
    base = top + height
    points = " ".join(f"{_x(share)},{base - height * value:.1f}" for share, value in chart.curve)
    first, last = _x(chart.curve[0][0]), _x(chart.curve[-1][0])
    return f'<polygon points="{first},{base} {points} {last},{base}" fill="{colour}"/>'


def _tick(x: float, colour: str) -> str:
    top, base = _SHOTS[0], _CURVE[0] + _CURVE[1]
    line = f'<line x1="{x}" y1="{top}" x2="{x}" y2="{base}" stroke="{colour}" stroke-width="1.2"/>'
    return f'{line}<circle cx="{x}" cy="{base}" r="3.5" fill="{colour}"/>'


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.2f}" y="{y}" fill="{colour}" text-anchor="{anchor}">{escape(text, quote=False)}</text>'


def _anchor(share: float) -> str:
    """Return the text anchor that keeps a label within the picture."""
    return "start" if share < 0.02 else "end" if share > 0.98 else "middle"


def _quote(text: str) -> str:
    return f'"{escape(printable(text))}"'


def svg_in_own_font(chart: TimelineChart, alt: str) -> str:
    """Return the chart with labels in the project's own font, because Typst has no fallback fonts within an SVG."""
    faces = Faces(with_bundled=False)
    chapters = tuple(replace(band, label=faces.shown(band.label)) for band in chart.chapters)
    return svg(replace(chart, chapters=chapters), faces.shown(alt), font=FONT_FAMILY)


def chart_png(chart: TimelineChart, alt: str) -> bytes:
    """Return the chart as a PNG, 1339 pixels wide."""
    import typst

    drawn = typst.compile(
        _TEMPLATE,
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[FOLDER]),
        format="png",
        ppi=_DOTS_PER_INCH,
        sys_inputs={"svg": svg_in_own_font(chart, alt)},
    )
    assert isinstance(drawn, bytes)
    return drawn
