"""Lines are found on a small copy of a picture, and a line that was read before isn't read again."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from framelens.video.features.text_reader import TextReader
from framelens.video.readers.base import Image, as_image, as_jpeg
from tests.media import COLOURS, solid
from tests.thorough import first_of

FONT = Path(__file__).resolve().parents[3] / "framelens" / "fonts" / "FrameLensSans-Regular.otf"
Line = tuple[str, int, int, int]
LINES: list[Line] = [
    ("Membrane transport 2024", 60, 60, 40),
    ("energy per cell: 128", 80, 160, 26),
    ("第三章 细胞膜的结构", 80, 240, 30),
]
pytestmark = pytest.mark.slow


class CountingReader(TextReader):
    """Counts the lines that are recognised."""

    def __init__(self) -> None:
        super().__init__()
        self.num_recognised = 0

    def _recognise(self, line: Image) -> tuple[str, float]:
        self.num_recognised += 1
        return super()._recognise(line)


@pytest.fixture(scope="module")
def shared_reader() -> CountingReader:
    return CountingReader()


@pytest.fixture
def reader(shared_reader: CountingReader) -> CountingReader:
    shared_reader._remembered.clear()
    shared_reader.num_recognised = 0
    return shared_reader


def page(lines: list[Line], *, background: int = 250, ink: int = 30) -> Image:
    """A page of 1280x720 with lines (text, left, top, size)."""
    picture = Pillow.new("RGB", (1280, 720), (background,) * 3)
    for text, left, top, size in lines:
        ImageDraw.Draw(picture).text((left, top), text, font=ImageFont.truetype(str(FONT), size), fill=(ink,) * 3)
    return as_image(np.array(picture))


def compressed(image: Image, quality: int) -> Image:
    return as_image(cv2.imdecode(np.frombuffer(as_jpeg(image, quality)[0], np.uint8), cv2.IMREAD_COLOR))


def texts(reader: TextReader, image: Image) -> list[str]:
    return [line.text.replace(" ", "") for line in reader(image)]


def expected(lines: list[Line]) -> list[str]:
    return [text.replace(" ", "") for text, *_ in lines]


def test_a_page_without_text_costs_no_recognition(reader: CountingReader) -> None:
    assert texts(reader, as_image(cv2.resize(solid(COLOURS["blue"]), (1280, 720)))) == []
    assert reader.num_recognised == 0


@pytest.mark.parametrize(("background", "ink"), [(250, 30), (20, 200), (30, 120)])
@pytest.mark.parametrize("size", [13, 16, 22])
def test_small_text_beside_large_text_is_found(reader: CountingReader, size: int, background: int, ink: int) -> None:
    lines = [*LINES, ("Lecture 4, page 17", 60, 680, size), ("12 / 40", 1130, 680, size)]
    assert texts(reader, page(lines, background=background, ink=ink)) == expected(lines)


def test_two_small_lines_that_touch_are_told_apart(reader: CountingReader) -> None:
    lines = [("00:00:00.567", 2, 0, 14), ("frame 17", 2, 14, 14)]
    assert texts(reader, page(lines)) == expected(lines)


def test_boxes_are_where_the_lines_are(reader: CountingReader) -> None:
    first, *_ = reader(page(LINES))
    left, top, right, bottom = first.box
    assert left < 60 / 1280 + 0.01 and top < 70 / 720 and 0.3 < right < 0.5 and 100 / 720 < bottom < 130 / 720


@pytest.mark.parametrize(
    "changed",
    [
        lambda: compressed(page(LINES), 80),
        lambda: np.roll(page(LINES), 57, axis=0),  # scrolled
        lambda: cv2.circle(page(LINES).copy(), (900, 400), 12, (0, 0, 0), -1),  # a pointer
    ],
    ids=["compressed", "scrolled", "pointer"],
)
def test_the_same_line_is_not_read_again(reader: CountingReader, changed: Callable[[], Image]) -> None:
    assert texts(reader, page(LINES)) == expected(LINES)
    num_recognised = reader.num_recognised
    assert texts(reader, as_image(changed())) == expected(LINES)
    assert reader.num_recognised == num_recognised


@pytest.mark.parametrize("size", first_of([13, 17, 30]))
@pytest.mark.parametrize(
    ("before", "after"),
    [("3", "8"), ("1", "7"), ("0", "6"), (".", ","), ("12", "1"), ("", "."), ("未", "末"), ("-", "_")],
)
def test_a_changed_character_is_read(reader: CountingReader, before: str, after: str, size: int) -> None:
    def lines(part: str) -> list[Line]:
        return [*LINES, (f"Total 12{part}5 units", 80, 400, size)]

    first = texts(reader, compressed(page(lines(before)), 90))
    num_recognised = reader.num_recognised
    second = texts(reader, compressed(page(lines(after)), 90))
    assert reader.num_recognised > num_recognised
    reader._remembered.clear()
    assert second == texts(reader, compressed(page(lines(after)), 90))
    assert first[:3] == second[:3] == expected(LINES)


def test_what_stood_long_ago_is_read_again(reader: CountingReader) -> None:
    texts(reader, page(LINES))
    num_recognised = reader.num_recognised
    for level in (60, 120, 180, 240):
        texts(reader, as_image(np.full((720, 1280, 3), level)))
    texts(reader, page(LINES))
    assert reader.num_recognised == 2 * num_recognised


def test_a_thin_picture_is_read_too(reader: CountingReader) -> None:
    assert texts(reader, page([("Membrane transport 2024", 60, 8, 30)])[:50]) == ["Membranetransport2024"]
