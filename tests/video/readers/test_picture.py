"""Colours of pictures whose frames don't say how they are coded."""

import numpy as np
import pytest
from av.video.frame import VideoFrame

from framelens.video.readers.geometry import filtered
from framelens.video.readers.picture import AvPicture
from tests.media import textured

RED = {"BT.709": (63, 102, 240), "BT.601": (81, 90, 240)}
"""Y, Cb and Cr of red in the limited range (ITU-R BT.709 and BT.601)."""


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), "BT.709"), ((720, 576), "BT.601"), ((720, 480), "BT.601")])
def test_matrix_without_a_tag_follows_size(size: tuple[int, int], matrix: str) -> None:
    frame = VideoFrame(*size, "yuv420p")
    for plane, code in zip(frame.planes, RED[matrix], strict=True):
        plane.update(bytes([code]) * plane.buffer_size)
    red, green, blue = AvPicture(frame, 0, 0.0, 0.04).upright(320)[20, 30, ::-1].tolist()
    assert red > 250 and green < 4 and blue < 4


@pytest.mark.parametrize(("pixel_format", "colour_range"), [("yuvj420p", 0), ("yuv420p", 2), ("yuvj420p", 2)])
def test_full_range_is_shown_as_meant(pixel_format: str, colour_range: int) -> None:
    frame = VideoFrame(720, 480, pixel_format)
    frame.color_range = colour_range
    for level in (0, 128, 255):
        for plane, code in zip(frame.planes, (level, 128, 128), strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        assert AvPicture(frame, 0, 0.0, 0.04).upright(320)[20, 30].tolist() == pytest.approx([level] * 3, abs=2)


def test_lines_stored_from_the_last_are_in_order() -> None:
    stored = VideoFrame.from_ndarray(textured(3), "rgb24").reformat(format="yuv420p")
    turned = filtered(stored, ("vflip", ""))
    assert turned.planes[0].line_size < 0  # as AMV's decoder gives all its frames
    plain, seen = AvPicture(stored, 0, 0.0, 0.04), AvPicture(turned, 0, 0.0, 0.04)
    assert np.array_equal(seen.upright(160), plain.upright(160)[::-1])
    assert np.allclose(seen.luma(), plain.luma()[::-1], atol=8)
