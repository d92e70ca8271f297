"""Transparent pictures are shown on white, whatever colour lies under them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.context import CodecContext
from av.video.frame import VideoFrame

from framelens.video.keyframes.survey import Survey
from framelens.video.readers.picture import AvPicture
from framelens.video.readers.pyav import AvReader
from framelens.video.seeking import AccurateSeeker
from tests.media import Image

KINDS = [
    ("a.webm", "libvpx-vp9", "yuva420p"),
    ("old.webm", "libvpx", "yuva420p"),
    ("prores.mov", "prores_ks", "yuva444p10le"),
    ("animation.mov", "qtrle", "argb"),
    ("png.mov", "png", "rgba"),
    ("a.apng", "apng", "rgba"),
    ("planes.mkv", "ffv1", "yuva420p"),
    ("packed.mkv", "ffv1", "bgra"),
    ("planes.avi", "utvideo", "gbrap"),
]


def picture(number: int, alpha: int = 0) -> Image:
    """A blue card and a half transparent black bar; the rest is red, seen only if it isn't transparent."""
    image = np.zeros((96, 160, 4), np.uint8)
    image[..., 0], image[..., 3] = 255, alpha
    image[20:60, 20 + 2 * number : 90] = (0, 80, 200, 255)
    image[70:90] = (0, 0, 0, max(alpha, 128))
    return image


def write(path: Path, codec: str, pixel_format: str, alpha: int = 0) -> Path:
    options = {"auto-alt-ref": "0"} if codec.startswith("libvpx") else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, pixel_format
        for number in range(10):
            frame = VideoFrame.from_ndarray(picture(number, alpha), "rgba").reformat(format=pixel_format)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def check(shown: Image) -> None:
    assert shown[6, 6].tolist() == pytest.approx([255, 255, 255], abs=4)
    assert shown[40, 70].tolist() == pytest.approx([200, 80, 0], abs=14)
    assert shown[80, 80].tolist() == pytest.approx([127, 127, 127], abs=14)


@pytest.mark.parametrize(("name", "codec", "pixel_format"), KINDS, ids=[kind[0] for kind in KINDS])
def test_transparent_parts_are_white(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    with AvReader(write(tmp_path / name, codec, pixel_format)) as reader:
        pictures = list(reader.frames())
        check(pictures[5].upright(160))
        assert int(pictures[5].levels()[0].max()) > 225
        assert [picture.index for picture in pictures] == list(range(10))
        assert [picture.time_seconds for picture in pictures] == pytest.approx([n / 25 for n in range(10)], abs=1e-3)
        assert reader.changes.is_composited


@pytest.mark.parametrize(("name", "codec", "pixel_format"), [KINDS[0], KINDS[1], KINDS[4]])
def test_stills_of_transparent_pictures_are_white(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    with AvReader(write(tmp_path / name, codec, pixel_format)) as reader:
        info = reader.info
    with AccurateSeeker(info) as seeker:
        for number in (9, 5, 7):
            still = seeker.at(number / 25)
            assert still.index == number
            check(still.upright(160))


def test_colour_under_transparent_pixels_is_not_scaled_in() -> None:
    image = np.zeros((96, 160, 4), np.uint8)
    image[..., 0] = 255
    image[:, 81:] = (255, 255, 255, 255)
    shown = AvPicture(VideoFrame.from_ndarray(image, "rgba"), 0, 0.0, 0.04).upright(53)
    assert int(shown.min()) > 252


def test_rare_alphas_are_read(tmp_path: Path) -> None:
    # Palette of gif may be transparent.
    frame = VideoFrame(32, 32, "pal8")
    frame.planes[0].update(bytes([1] * frame.planes[0].buffer_size))
    frame.planes[1].update(np.array([0xFFFF0000, 0x00FF0000] + [0] * 254, np.uint32).tobytes())
    assert AvPicture(frame, 0, 0.0, 0.04).upright(32)[5, 5].tolist() == [255, 255, 255]
    # Alpha of floating point is read.
    image = np.zeros((96, 160, 4), np.uint8)
    image[:, :80] = (200, 30, 30, 255)
    frame = VideoFrame.from_ndarray(image, "rgba").reformat(format="gbrapf32le")
    shown = AvPicture(frame, 0, 0.0, 0.04).upright(160)
    assert shown[40, 40].tolist() == pytest.approx([30, 30, 200], abs=2) and shown[40, 120].tolist() == [255, 255, 255]
    # Opaque alpha changes nothing.
    with AvReader(write(tmp_path / "a.mkv", "ffv1", "bgra", alpha=255)) as reader:
        shown = next(iter(reader.frames())).upright(160)
        assert shown[6, 6].tolist() == [0, 0, 255]
        assert not reader.changes.is_composited


def test_ground_is_named(tmp_path: Path) -> None:
    with AvReader(write(tmp_path / "a.mov", "qtrle", "argb")) as reader:
        survey = Survey(reader, frames=2, max_side=160)
        list(survey.events())
        summary = survey.summary()
    assert summary.is_composited
    assert "composited" in [notice.key for notice in summary.notices]


def write_hevc(path: Path, message: bytes) -> Path:
    """Write a stream with a message before its first picture, as encoders of a layer of alpha pictures do."""
    encoder = CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 160, 96, "yuv420p", Fraction(1, 25)
    encoder.options = {"x265-params": "log-level=none"}
    frames = [VideoFrame.from_ndarray(picture(number), "rgba").reformat(format="yuv420p") for number in range(10)]
    for number, frame in enumerate(frames):
        frame.pts = number
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    path.write_bytes(message + b"".join(bytes(packet) for packet in packets))
    return path


@pytest.mark.parametrize("kind", [165, 144])
def test_layer_that_is_not_decoded_is_named(tmp_path: Path, kind: int) -> None:
    message = bytes.fromhex("00000001 4e01") + bytes([kind]) + bytes.fromhex("04 00007f90 80")
    with AvReader(write_hevc(tmp_path / "a.hevc", message)) as reader:
        survey = Survey(reader, frames=2, max_side=160)
        list(survey.events())
        assert ("alpha_lost" in [notice.key for notice in survey.summary().notices]) == (kind == 165)


def test_fourth_byte_of_uncompressed_avi_is_no_alpha(tmp_path: Path) -> None:
    path = write(tmp_path / "capture.avi", "rawvideo", "bgra")
    with AvReader(path) as reader:
        shown = next(reader.frames()).upright(1000)
        assert not reader.changes.is_composited
    assert shown[6, 6].tolist() == pytest.approx([0, 0, 255], abs=4)  # red in BGR, under what would be transparent
