"""Pictures in HDR and wide gamuts look as they were meant to on an ordinary screen."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from app.video.keyframes.survey import Survey
from app.video.readers.picture import AvPicture
from app.video.readers.pyav import AvReader

PQ, HLG, BT709, BT2020 = 16, 18, 1, 9
SHOWN = {
    "white": (255, 255, 255),
    "red": (200, 30, 30),
    "green": (30, 140, 50),
    "blue": (30, 60, 200),
    "yellow": (240, 220, 40),
}
CODES = {
    PQ: {
        "white": (573, 512, 512),
        "red": (367, 462, 593),
        "green": (422, 462, 479),
        "blue": (337, 608, 504),
        "yellow": (535, 425, 523),
    },
    HLG: {
        "white": (721, 512, 512),
        "red": (356, 429, 680),
        "green": (447, 414, 438),
        "blue": (301, 718, 494),
        "yellow": (657, 328, 534),
    },
}
"""Y, Cb and Cr of ten bits in BT.2020, limited range, with white at 203 cd/m²."""


def ten_bit(codes: tuple[int, int, int], transfer: int, primaries: int = BT2020) -> VideoFrame:
    frame = VideoFrame(64, 48, "yuv444p10le")
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, code, np.uint16).tobytes())
    frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, primaries, BT2020, 1
    return frame


def shown(frame: VideoFrame) -> list[int]:
    """Red, green and blue of the shown picture."""
    image = AvPicture(frame, 0, 0.0, 0.04).upright(64)
    return [int(level) for level in image[20, 30, ::-1]]


@pytest.mark.parametrize("colour", sorted(SHOWN))
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_colours_are_shown_as_meant(transfer: int, colour: str) -> None:
    assert shown(ten_bit(CODES[transfer][colour], transfer)) == pytest.approx(SHOWN[colour], abs=6)


def test_hdr_highlights_are_brighter_than_white() -> None:
    white, light = (shown(ten_bit((code, 512, 512), PQ))[1] for code in (573, 723))
    assert 249 <= white < light <= 255


def test_wide_gamut_keeps_white_and_gray() -> None:
    assert shown(ten_bit((940, 512, 512), BT709)) == pytest.approx((255, 255, 255), abs=1)
    assert shown(ten_bit((502, 512, 512), BT709)) == pytest.approx((128, 128, 128), abs=2)


def test_survey_sees_hdr_white_as_white() -> None:
    levels = AvPicture(ten_bit(CODES[HLG]["white"], HLG), 0, 0.0, 0.04).levels()
    assert int(levels[0].min()) > 225  # 235 is white


def test_hdr_is_named_in_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "hlg.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p10le"
        stream.color_trc, stream.color_primaries, stream.colorspace, stream.color_range = HLG, BT2020, BT2020, 1
        for number in range(5):
            frame = ten_bit(CODES[HLG]["red"], HLG)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with AvReader(path) as reader:
        survey = Survey(reader, frames=2, max_side=64)
        list(survey.events())
        notices = {one.key: one.values for one in survey.summary().notices}
    assert notices["tone_mapped"] == {"colours": "HLG, BT.2020"}
