from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from app.pictures import smaller
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


def test_the_picture_library_is_loaded_when_there_is_a_picture() -> None:
    code = "import app.pictures, app.reports, sys; print('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"
