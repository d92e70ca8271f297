"""The timeline chart as a PNG, for formats that take no SVG."""

from __future__ import annotations

from dataclasses import replace

from app.reports.graphics.chart import Chart
from app.reports.graphics.chart_svg import svg
from app.reports.graphics.fonts import FAMILY, FOLDER, Faces

_TEMPLATE = b"""
#set page(width: 17cm, height: auto, margin: 0pt, fill: white)
#image(bytes(sys.inputs.svg), width: 100%)
"""
_DOTS_AN_INCH = 200.0


def lettered_svg(chart: Chart, alt: str) -> str:
    """The drawing, with labels in letters of our own font: within a drawing Typst asks no second one."""
    faces = Faces(with_bundled=False)
    chapters = tuple(replace(band, label=faces.shown(band.label)) for band in chart.chapters)
    return svg(replace(chart, chapters=chapters), faces.shown(alt), font=FAMILY)


def png(chart: Chart, alt: str) -> bytes:
    """1339 pixels wide."""
    import typst

    drawn = typst.compile(
        _TEMPLATE,
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[FOLDER]),
        format="png",
        ppi=_DOTS_AN_INCH,
        sys_inputs={"svg": lettered_svg(chart, alt)},
    )
    assert isinstance(drawn, bytes)
    return drawn
