import xml.etree.ElementTree as ET
from dataclasses import replace

from framelens.core.domain import Stretch
from framelens.reports.content.labels import printable
from framelens.reports.graphics.chart import Band, chart_of
from framelens.reports.graphics.chart_svg import HEIGHT, WIDTH, svg
from tests.reports.content.test_labels import rich
from tests.reports.json.test_reader import looked_at_closely

SVG = "{http://www.w3.org/2000/svg}"


def drawn(**changes: object) -> ET.Element:
    chart = chart_of(looked_at_closely())
    assert chart
    return ET.fromstring(svg(replace(chart, **changes), 'a "chart" <of> it'))  # type: ignore[arg-type]


def test_chart_is_drawn_within_its_bounds() -> None:
    # Everything of the chart is drawn within it.
    picture = drawn()
    assert picture.get("aria-label") == 'a "chart" <of> it'
    assert len(picture.findall(f".//{SVG}circle")) == 6
    assert len(picture.findall(f".//{SVG}polygon")) == 1
    for box in picture.iter(f"{SVG}rect"):
        x, y, width, height = (float(box.get(name, "nan")) for name in ("x", "y", "width", "height"))
        assert x >= 0 and x + width <= WIDTH + 0.5 and y >= 0 and y + height <= HEIGHT
    # Stretches lie over the curve.
    assert looked_at_closely().decode.stretches == (Stretch(1.0, 2.0, "black"),)
    assert [box.get("fill") for box in drawn().iter(f"{SVG}rect") if box.get("fill-opacity")] == ["#111827"]
    # What no file can hold is shown by its number.
    assert printable("a\x00b\u202ec\td\ne") == "a[U+0000]b[U+202E]c\td\ne"
    assert printable("红车 🚗 é \u200d") == "红车 🚗 é \u200d"


def test_chapter_titles_are_cut_and_escaped() -> None:
    titles = [Band(0.0, 0.5, "<script>\x00\u202e" * 20), Band(0.5, 0.51, "too narrow"), Band(0.51, 1.0, "红色汽车")]
    texts = ["".join(one.itertext()) for one in drawn(chapters=tuple(titles), scale=()).iter(f"{SVG}text")]
    assert texts[0].startswith("<script>[U+0000][U+202E]<script>") and texts[0].endswith("…")
    assert texts[1:] == ["红色汽车"]


def test_ticks_lead_to_their_frames_where_there_are_any() -> None:
    chart = chart_of(rich())
    assert chart
    linked = ET.fromstring(svg(chart, "x", links=True))
    assert [one.get("href") for one in linked.iter(f"{SVG}a")] == [f"#frame-{number}" for number in range(1, 7)]
    assert not list(ET.fromstring(svg(chart, "x")).iter(f"{SVG}a"))
