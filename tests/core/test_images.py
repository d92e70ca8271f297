import subprocess
import sys
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from framelens.core.images import fitted, fitted_size, is_padded, show_same, smaller
from tests.cards import draw_card, to_jpeg
from tests.media import textured


@pytest.mark.parametrize(("width", "height", "size"), [(640, 360, (320, 180)), (360, 640, (180, 320))])
def test_a_picture_gets_as_small_as_asked_and_keeps_its_shape(width: int, height: int, size: tuple[int, int]) -> None:
    with Image.open(BytesIO(smaller(to_jpeg(draw_card("red", width=width, height=height)), 320))) as picture:
        assert (picture.format, picture.size) == ("JPEG", size)
        red, green, blue = picture.convert("RGB").getpixel((90, 90))  # type: ignore[misc]
    assert red > 180 and green < 60 and blue < 60


def test_small_and_unreadable_pictures_stay_as_they_are() -> None:
    # What is small enough comes back byte for byte.
    jpeg = to_jpeg(draw_card("blue", width=64, height=36))
    assert smaller(jpeg, 64) is jpeg
    # What cannot be read is not called another picture.
    assert show_same(b"", to_jpeg(textured(1))) and show_same(to_jpeg(textured(1)), b"\xff\xd8\xff")


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


@pytest.mark.parametrize(
    ("size", "sent", "padded"),
    [
        ((1920, 1080), (896, 504), False),
        ((320, 180), (320, 180), False),
        ((1920, 50), (1229, 32), False),
        ((50, 1920), (32, 1229), False),
        ((16, 16), (32, 32), False),
        ((1, 1), (32, 32), False),
        ((400, 20), (640, 32), False),
        ((3840, 40), (2048, 32), True),
        ((7680, 32), (2048, 32), True),
        ((3, 3000), (32, 2048), True),
    ],
)
def test_narrow_pictures_are_sent_in_sizes_that_models_take(
    size: tuple[int, int], sent: tuple[int, int], padded: bool
) -> None:
    jpeg = to_jpeg(np.full((size[1], size[0], 3), 200, np.uint8))
    with Image.open(BytesIO(fitted(jpeg, 896))) as picture:
        middle = picture.convert("L").getpixel((sent[0] // 2, sent[1] // 2))
        corner = picture.convert("L").getpixel((0, 0))
        assert picture.size == sent == fitted_size(*size, 896)
    assert is_padded(*size, 896) == padded == (corner < 40) and middle > 160  # type: ignore[operator]
    assert (fitted(jpeg, 896) is jpeg) == (size == sent)


@pytest.mark.parametrize("library", ["PIL", "cv2"])
def test_the_picture_library_is_loaded_when_there_is_a_picture(library: str) -> None:
    code = f"import framelens.core.images, framelens.reports, sys; print('{library}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"


@pytest.mark.parametrize(("width", "height"), [(1279, 541), (640, 272), (1920, 1080), (96, 50)])
def test_one_picture_in_two_sizes_is_the_same(width: int, height: int) -> None:
    large = np.asarray(cv2.resize(textured(5, 320, 180), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    size = 480, round(480 * height / width)
    small = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
    assert show_same(to_jpeg(large), to_jpeg(small))
    damaged = large.copy()
    damaged[: height // 4, : width // 3] = damaged[-(height // 4) :, -(width // 3) :]
    assert not show_same(to_jpeg(damaged), to_jpeg(small))


@pytest.mark.parametrize("is_tall", [False, True])
@pytest.mark.parametrize("height", [4, 64, 90])
def test_narrow_picture_in_two_sizes_is_the_same(height: int, is_tall: bool) -> None:
    large = np.asarray(np.hstack([textured(seed, 480, height) for seed in range(8)]), np.uint8)
    small = np.asarray(cv2.resize(large, (1280, height // 3), interpolation=cv2.INTER_AREA), np.uint8)
    large, small = (image.transpose(1, 0, 2) if is_tall else image for image in (large, small))
    assert show_same(to_jpeg(large), to_jpeg(small))
    assert not show_same(to_jpeg(large[::-1, ::-1]), to_jpeg(small))
