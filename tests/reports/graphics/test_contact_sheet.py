import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFont

from framelens.core.domain import Keyframe
from framelens.reports.graphics import contact_sheet
from framelens.reports.graphics.contact_sheet import MAX_WIDTH, grid_of, sheet
from tests.media import COLOURS, solid
from tests.reports.test_reports import analysis

MOST_JPEG_SIDE = 65_535


def frames(count: int, width: int = 640, height: int = 360) -> list[Keyframe]:
    """Frames in the colours of tests.media, in turn."""
    colours = list(COLOURS.values())
    jpegs = [jpeg(solid(colour, width, height)) for colour in colours]
    return [
        Keyframe(number, number, number / 2, "even", 1, width, height, jpegs[number % len(jpegs)])
        for number in range(1, count + 1)
    ]


def jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (64, 36), (2000, 8), (8, 2000), (1, 1)])
def test_every_number_of_frames_of_every_shape_fits_on_a_sheet(width: int, height: int) -> None:
    one = Keyframe(1, 0, 0.0, "first", 1, width, height, b"")
    for count in range(257):
        grid = grid_of([one] * count)
        assert grid.columns * grid.rows >= count
        assert (grid.rows - 1) * grid.columns < max(1, count), "no row is empty"
        assert grid.sheet_width <= MAX_WIDTH and grid.sheet_height <= MOST_JPEG_SIDE
        assert grid.width >= 160


@pytest.mark.parametrize(
    ("count", "shape", "columns"),
    [
        *((count, (16, 9), columns) for count, columns in {1: 1, 2: 2, 4: 2, 5: 3, 16: 4, 64: 8}.items()),
        *((count, (9, 16), columns) for count, columns in {1: 1, 5: 5, 16: 8, 64: 13}.items()),
    ],
)
def test_columns_suit_a_screen(count: int, shape: tuple[int, int], columns: int) -> None:
    one = Keyframe(1, 0, 0.0, "first", 1, 40 * shape[0], 40 * shape[1], b"")
    assert grid_of([one] * count).columns == columns


@pytest.mark.slow
@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_each_frame_serves_its_place_with_its_label_below(size: tuple[int, int]) -> None:
    shown = frames(16, *size)
    picture, grid = opened(sheet(shown, title="clip.mp4", note="")), grid_of(shown)
    assert picture.size == (grid.sheet_width, grid.sheet_height)
    colours = list(COLOURS.values())
    for place, frame in enumerate(shown):
        left, top = grid.corner(place)
        seen = picture.getpixel((left + grid.width // 2, top + grid.height // 2))
        assert isinstance(seen, tuple)
        expected = colours[frame.number % len(colours)]
        assert all(abs(a - b) < 16 for a, b in zip(seen, expected, strict=True))
        below = (left, top + grid.height + 4, left + grid.width, top + grid.height + 2 * grid.label_size)
        darkest, brightest = picture.convert("L").crop(below).getextrema()
        assert isinstance(darkest, int) and darkest < 90 and brightest == 255


def test_frames_of_another_shape_keep_theirs() -> None:
    wide, high = frames(1, 640, 360)[0], frames(1, 360, 640)[0]
    grid = grid_of([wide, high])
    picture = opened(sheet([wide, high], title="", note=""))
    left, top = grid.corner(1)
    assert picture.getpixel((left + 2, top + grid.height // 2)) == (255, 255, 255)
    assert picture.getpixel((left + grid.width // 2, top + 4)) != (255, 255, 255)


@pytest.mark.slow
def test_contact_sheet_is_deterministic_and_may_be_empty() -> None:
    assert sheet(frames(5), title="a", note="b") == sheet(frames(5), title="a", note="b")
    assert opened(sheet([], title="clip.mp4", note="")).width == 640


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_sheet_of_an_analysis_survives_any_name(language: str) -> None:
    for name in ("假期录像.mp4", "a\nb\x00\udcff.mp4", "", "x" * 5_000, "עברית 😀.mkv"):
        done = analysis()
        done = replace(done, video=replace(done.video, name=name))
        assert opened(contact_sheet.write(done, language)).width >= 640  # type: ignore[arg-type]


# ---- letters


def no_box(text: str, font: contact_sheet.Font) -> bool:
    box = font.getmask("\uffff")
    return all(letter.isspace() or bytes(font.getmask(letter)) != bytes(box) for letter in text)


def test_chinese_is_written_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "_FONTS", contact_sheet._FONTS[:1])
    contact_sheet._fonts.cache_clear()
    font, drawn = contact_sheet.fit_text("假期录像 01.mp4", 20, 1_000)
    contact_sheet._fonts.cache_clear()
    assert drawn == "假期录像 01.mp4"
    assert no_box(drawn, font)


def test_names_on_a_sheet_keep_what_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Missing glyphs become question marks.
    own = ImageFont.load_default(20)
    assert isinstance(own, ImageFont.FreeTypeFont)
    monkeypatch.setattr(contact_sheet, "_fonts", lambda size: (own,))
    font, drawn = contact_sheet.fit_text("假期录像 01.mp4", 20, 1_000)
    assert drawn == "???? 01.mp4"
    assert no_box(drawn, font)
    assert no_box(contact_sheet.fit_text("long " * 50, 20, 100)[1], font)
    # A long name keeps its ending.
    for width in (40, 200, 400):
        font, drawn = contact_sheet.fit_text("a very long name of a video " * 9 + "0123.mp4", 20, width)
        assert font.getlength(drawn) <= width
    assert drawn.endswith("0123.mp4") and drawn.startswith("a very")
    # What cannot be printed is a question mark.
    assert contact_sheet.fit_text("a\nb\u202e\udcff", 20, 500)[1] == "a?b??"
