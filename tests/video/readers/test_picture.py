"""Colours of pictures whose frames don't say how they are coded."""

from __future__ import annotations

import pytest
from av.video.frame import VideoFrame

from app.video.readers.picture import AvPicture

RED = {"BT.709": (63, 102, 240), "BT.601": (81, 90, 240)}
"""Y, Cb and Cr of red in the limited range (ITU-R BT.709 and BT.601)."""


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), "BT.709"), ((720, 576), "BT.601"), ((720, 480), "BT.601")])
def test_matrix_without_a_tag_follows_size(size: tuple[int, int], matrix: str) -> None:
    frame = VideoFrame(*size, "yuv420p")
    for plane, code in zip(frame.planes, RED[matrix], strict=True):
        plane.update(bytes([code]) * plane.buffer_size)
    red, green, blue = AvPicture(frame, 0, 0.0, 0.04).upright(320)[20, 30, ::-1].tolist()
    assert red > 250 and green < 4 and blue < 4
