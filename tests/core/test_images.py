from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from framelens.core.images import smaller
from tests.cards import draw_card, to_jpeg


@pytest.mark.parametrize(("width", "height", "size"), [(640, 360, (320, 180)), (360, 640, (180, 320))])
def test_a_picture_gets_as_small_as_asked_and_keeps_its_shape(width: int, height: int, size: tuple[int, int]) -> None:
    with Image.open(BytesIO(smaller(to_jpeg(draw_card("red", width=width, height=height)), 320))) as picture:
        assert (picture.format, picture.size) == ("JPEG", size)
        red, green, blue = picture.convert("RGB").getpixel((90, 90))  # type: ignore[misc]
    assert red > 180 and green < 60 and blue < 60


def test_what_is_small_enough_comes_back_byte_for_byte() -> None:
    jpeg = to_jpeg(draw_card("blue", width=64, height=36))
    assert smaller(jpeg, 64) is jpeg


@pytest.mark.parametrize("side", [80, 160, 320, 640, 1000])
def test_large_image_shrinks_alike_from_partial_decoding(side: int) -> None:
    jpeg = to_jpeg(draw_card("green", width=1280, height=720))
    with Image.open(BytesIO(smaller(jpeg, side))) as picture:
        assert picture.size == (side, round(side * 9 / 16))


def test_a_note_about_turning_changes_nothing() -> None:
    """Frames stand upright; what another program has written into a picture must not stretch it."""
    halves, note, buffer = Image.new("RGB", (640, 360), "red"), Image.Exif(), BytesIO()
    halves.paste("blue", (320, 0, 640, 360))
    note[0x0112] = 6
    halves.save(buffer, "JPEG", exif=note)
    for side in (80, 160, 320):
        with Image.open(BytesIO(smaller(buffer.getvalue(), side))) as picture:
            red, _, blue = picture.convert("RGB").getpixel((side // 8, side // 2))  # type: ignore[misc]
            assert picture.size == (side, side * 9 // 16)
            assert red > 180 and blue < 60


@pytest.mark.parametrize("library", ["PIL", "cv2"])
def test_the_picture_library_is_loaded_when_there_is_a_picture(library: str) -> None:
    code = f"import framelens.core.images, framelens.reports, sys; print('{library}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"
