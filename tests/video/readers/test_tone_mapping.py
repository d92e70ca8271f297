"""Pictures in HDR and wide gamuts look as they were meant to on an ordinary screen."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from framelens.video.keyframes.survey import Survey
from framelens.video.readers import tone_mapping
from framelens.video.readers.picture import AvPicture, ColourTags
from framelens.video.readers.pyav import AvReader
from framelens.video.seeking import AccurateSeeker

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


def ten_bit(codes: tuple[int, int, int], transfer: int, primaries: int = BT2020, matrix: int = BT2020) -> VideoFrame:
    frame = VideoFrame(64, 48, "yuv444p10le")
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, code, np.uint16).tobytes())
    frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, primaries, matrix, 1
    return frame


def shown(frame: VideoFrame) -> list[int]:
    """Red, green and blue of the shown picture."""
    image = AvPicture(frame, 0, 0.0, 0.04).upright(64)
    return [int(level) for level in image[20, 30, ::-1]]


@pytest.mark.parametrize("colour", sorted(SHOWN))
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_colours_are_shown_as_meant(transfer: int, colour: str) -> None:
    assert shown(ten_bit(CODES[transfer][colour], transfer)) == pytest.approx(SHOWN[colour], abs=6)


def test_white_of_hdr_is_white_and_highlights_are_brighter() -> None:
    # Hdr highlights are brighter than white.
    white, light = (shown(ten_bit((code, 512, 512), PQ))[1] for code in (573, 723))
    assert 249 <= white < light <= 255
    # Wide gamut keeps white and gray.
    assert shown(ten_bit((940, 512, 512), BT709)) == pytest.approx((255, 255, 255), abs=1)
    assert shown(ten_bit((502, 512, 512), BT709)) == pytest.approx((128, 128, 128), abs=2)
    # Survey sees hdr white as white.
    levels = AvPicture(ten_bit(CODES[HLG]["white"], HLG), 0, 0.0, 0.04).levels()
    assert int(levels[0].min()) > 225  # 235 is white


@pytest.mark.slow
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
        notices = {notice.key: notice.values for notice in survey.summary().notices}
    assert notices["tone_mapped"] == {"colours": "HLG, BT.2020"}


YCGCO, ICTCP = 8, 14


@pytest.mark.parametrize("colour", sorted(SHOWN))
@pytest.mark.parametrize("is_full", [False, True])
def test_ycgco_is_shown_as_meant(colour: str, *, is_full: bool) -> None:
    red, green, blue = SHOWN[colour]
    luma, cg, co = (red + 2 * green + blue) / 4, (2 * green - red - blue) / 4, (red - blue) / 2
    if not is_full:
        luma, cg, co = 16 + luma * 219 / 255, cg * 224 / 255, co * 224 / 255
    frame = VideoFrame(64, 48, "yuv444p")
    for plane, code in zip(frame.planes, (luma, cg + 128, co + 128), strict=True):
        plane.update(bytes([min(255, round(code))]) * plane.buffer_size)
    frame.colorspace, frame.color_range = YCGCO, 2 if is_full else 1
    picture = AvPicture(frame, 0, 0.0, 0.04)
    assert picture.upright(64)[20, 30, ::-1].tolist() == pytest.approx(SHOWN[colour], abs=4)
    assert picture.luma().shape == (90, 160)


@pytest.mark.parametrize("colour", sorted(SHOWN))
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_ictcp_is_shown_as_meant(transfer: int, colour: str) -> None:
    assert shown(ten_bit(ictcp(SHOWN[colour], transfer), transfer, matrix=ICTCP)) == pytest.approx(SHOWN[colour], abs=8)


def ictcp(colour: tuple[int, int, int], transfer: int) -> tuple[int, int, int]:
    """Codes of ten bits in ICtCp (BT.2100-2, table 7), with white at 203 cd/m²."""
    srgb = np.array(colour) / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ light
    if transfer == HLG:
        luma = max(float(np.array([0.2627, 0.6780, 0.0593]) @ wide), 1e-6)
        wide = wide * (luma ** ((1 - 1.2) / 1.2)) * (203 / 1000) ** (1 / 1.2)
    lms = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096 @ wide
    if transfer == PQ:
        power = (lms * 203 / 10_000) ** (2610 / 16384)
        coded = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
        rows = [[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        coded = np.where(lms <= 1 / 12, np.sqrt(3 * lms), a * np.log(np.maximum(12 * lms - b, 1e-9)) + c)
        rows = [[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]
    i, ct, cp = np.array(rows) / 4096 @ coded
    return round(64 + 876 * i), round(512 + 896 * ct), round(512 + 896 * cp)


def test_tags_of_the_container_count(tmp_path: Path) -> None:
    """Encoders may write the colours into the container only."""
    tags = ColourTags(BT2020, BT2020, PQ)
    frame = ten_bit(CODES[PQ]["white"], 2, 2, 2)
    assert shown(tags.completed(frame)) == pytest.approx(SHOWN["white"], abs=6)
    own = ten_bit(CODES[HLG]["white"], HLG)
    assert tags.completed(own).color_trc == HLG


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_files_with_tags_of_the_container_are_mapped(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tagged.{ending}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p10le"
        stream.color_trc, stream.color_primaries, stream.colorspace = PQ, BT2020, BT2020
        for number in range(5):
            frame = ten_bit(CODES[PQ]["red"], 2, 2, 2)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with AvReader(path) as reader:
        assert reader.info.dynamic_range == "HDR10 (PQ, BT.2020)"
        image = next(iter(reader.frames())).upright(64)
        info = reader.info
    assert image[20, 30, ::-1].tolist() == pytest.approx(SHOWN["red"], abs=8)
    with AccurateSeeker(info) as seeker:
        assert np.array_equal(seeker.at(0.0).upright(64), image)


def test_unusual_matrices_and_primaries_are_read() -> None:
    # Hdr without a matrix is bt2020.
    assert shown(ten_bit(CODES[PQ]["red"], PQ, matrix=2)) == pytest.approx(SHOWN["red"], abs=6)
    # Constant luminance is read like the usual matrix.
    assert shown(ten_bit(CODES[PQ]["white"], PQ, matrix=10)) == pytest.approx(SHOWN["white"], abs=6)


def test_hdr_transfer_with_usual_primaries_keeps_them() -> None:
    frame = ten_bit((452, 491, 602), HLG, BT709, matrix=BT709)
    assert shown(frame) == pytest.approx([164, 110, 110], abs=4)
    assert tone_mapping.dynamic_range_of(frame) == "HLG"


@pytest.mark.parametrize("matrix", [0, 3, 11, 12, 13, 15, 16, 17, 255])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_matrix_that_no_decoder_knows_is_the_usual_one(matrix: int, pixel_format: str) -> None:
    image = np.full((720, 1280, 3), (200, 60, 30), np.uint8)
    frame = VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixel_format, dst_colorspace=BT709)
    frame.colorspace = matrix
    assert shown(frame) == pytest.approx([200, 60, 30], abs=3)
    assert AvPicture(frame, 0, 0.0, 0.04).levels().shape[0] == 3


@pytest.mark.parametrize("matrix", [8, 14])
@pytest.mark.parametrize("pixel_format", ["nv12", "p010le", "yuyv422", "vuya", "yuv420p10be"])
def test_rare_matrices_are_read_in_every_form(matrix: int, pixel_format: str) -> None:
    frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 255, np.uint8), "rgb24").reformat(format=pixel_format)
    frame.colorspace, frame.color_trc = matrix, PQ if matrix == 14 else BT709
    assert shown(frame) == pytest.approx([255, 255, 255], abs=5)


@pytest.mark.parametrize("matrix", [2, 3, 8, 14])
def test_matrix_of_rgb_is_not_applied(matrix: int) -> None:
    frame = VideoFrame.from_ndarray(np.full((48, 64, 3), (200, 60, 30), np.uint8), "rgb24").reformat(format="gbrp")
    frame.colorspace = matrix
    assert shown(frame) == [200, 60, 30]


@pytest.mark.parametrize(
    ("transfer", "profile", "name"),
    [
        (PQ, None, "HDR10 (PQ, BT.2020)"),
        (PQ, 8, "HDR10 (PQ, BT.2020)"),
        (HLG, 8, "HLG (BT.2020)"),
        (2, 5, "Dolby Vision profile 5"),
        (BT709, None, ""),
    ],
)
def test_dynamic_range_is_named(transfer: int, profile: int | None, name: str) -> None:
    primaries = BT2020 if transfer in (PQ, HLG) else 2
    assert tone_mapping.dynamic_range_of(ten_bit((500, 512, 512), transfer, primaries), profile) == name
