"""Every ending that folders are searched for: a file of its kind is opened, counted and timed."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from framelens.core.errors import VideoError
from framelens.video.files import VIDEO_SUFFIXES, is_video_name
from framelens.video.readers import open_reader
from framelens.video.readers.base import JPEG_QUALITY, as_image, as_jpeg

FRAMES, RATE = 12, 25
# Container, codec, and the width and height where the codec takes few.
KINDS: dict[str, tuple[str, str, tuple[int, int]]] = {
    **dict.fromkeys((".mp4", ".m4v", ".f4v", ".insv", ".lrv", ".360"), ("mp4", "libx264", (320, 180))),
    **dict.fromkeys((".mov", ".qt"), ("mov", "libx264", (320, 180))),
    **dict.fromkeys((".3gp", ".3gpp"), ("3gp", "mpeg4", (176, 144))),
    ".3g2": ("3g2", "mpeg4", (176, 144)),
    **dict.fromkeys((".mkv", ".mk3d"), ("matroska", "libx264", (320, 180))),
    ".webm": ("webm", "libvpx", (320, 180)),
    **dict.fromkeys((".ogv", ".ogm"), ("ogg", "libvpx", (320, 180))),
    ".avi": ("avi", "mjpeg", (320, 180)),
    **dict.fromkeys((".divx", ".xvid"), ("avi", "mpeg4", (320, 180))),
    **dict.fromkeys((".wmv", ".asf"), ("asf", "wmv2", (320, 180))),
    ".flv": ("flv", "flv", (320, 180)),
    **dict.fromkeys((".rm", ".rmvb"), ("rm", "rv10", (352, 288))),
    **dict.fromkeys((".mpg", ".mpeg", ".mpe"), ("mpeg", "mpeg1video", (320, 192))),
    **dict.fromkeys((".vob", ".vro", ".evo", ".m2p", ".tod"), ("vob", "mpeg2video", (320, 192))),
    ".m1v": ("mpeg1video", "mpeg1video", (320, 192)),
    ".m2v": ("mpeg2video", "mpeg2video", (320, 192)),
    **dict.fromkeys((".ts", ".mts", ".m2t", ".m2ts", ".tp", ".trp"), ("mpegts", "libx264", (320, 180))),
    ".wtv": ("wtv", "mpeg2video", (320, 192)),
    ".mxf": ("mxf", "mpeg2video", (320, 192)),
    ".dv": ("dv", "dvvideo", (720, 576)),
    ".y4m": ("yuv4mpegpipe", "rawvideo", (320, 180)),
    ".ivf": ("ivf", "libvpx", (320, 180)),
    ".nut": ("nut", "mpeg4", (320, 180)),
    **dict.fromkeys((".h264", ".264"), ("h264", "libx264", (320, 180))),
    **dict.fromkeys((".h265", ".265", ".hevc"), ("hevc", "libx265", (320, 180))),
    ".obu": ("obu", "libsvtav1", (320, 180)),
    **dict.fromkeys((".mjpeg", ".mjpg"), ("mjpeg", "mjpeg", (320, 180))),
}


def pictures(size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    for number in range(FRAMES):
        picture = np.full((size[1], size[0], 3), 20 * number, np.uint8)
        yield av.VideoFrame.from_ndarray(picture, "rgb24")


def write(path: Path, form: str, codec: str, size: tuple[int, int]) -> Path:
    options = {"mpegts_m2ts_mode": "1"} if path.suffix == ".m2ts" else {}
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=25 if codec != "libsvtav1" else Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = {"mjpeg": "yuvj420p", "dvvideo": "yuv420p"}.get(codec, "yuv420p")
        for frame in pictures(size):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets(codec: str) -> list[bytes]:
    """Encode the pictures without a container."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.time_base = 320, 180, Fraction(1, RATE)
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.options = {} if codec == "mjpeg" else {"tune": "zerolatency", "bf": "0"}
    encoded = [bytes(packet) for frame in pictures((320, 180)) for packet in context.encode(frame)]
    return encoded + [bytes(packet) for packet in context.encode(None)]


def write_dahua(path: Path) -> Path:
    """Write H.264 as Dahua's recorders do: each frame between DHAV and dhav, with date, milliseconds and tags."""
    parts = []
    for number, data in enumerate(packets("libx264")):
        tags = bytes((0x81, 0, 4, RATE)) + bytes((0x82, 0, 0, 0)) + struct.pack("<HH", 320, 180)
        length = 24 + len(tags) + len(data) + 8
        second = number // RATE
        date = second | 30 << 6 | 12 << 12 | 25 << 17 | 11 << 22 | 26 << 26
        head = struct.pack("<4sBBBBII", b"DHAV", 0xFC if number else 0xFD, 0, 0, 0, number, length)
        times = struct.pack("<IHBB", date, number * 1000 // RATE, len(tags), 0)
        parts.append(head + times + tags + data + struct.pack("<4sI", b"dhav", length))
    path.write_bytes(b"".join(parts))
    return path


def write_multipart(path: Path, boundary: str) -> Path:
    """Write JPEG pictures as cameras send them over HTTP, each with a header."""
    head = f"--{boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    path.write_bytes(b"".join((head % len(data)).encode() + data + b"\r\n" for data in packets("mjpeg")))
    return path


def check(path: Path) -> None:
    assert is_video_name(path)
    with open_reader(path) as reader:
        seen = list(reader.frames())
        indices, times = [one.index for one in seen], [one.time_seconds for one in seen]
    assert indices == list(range(FRAMES))
    assert times == pytest.approx([number / RATE for number in range(FRAMES)], abs=0.002)
    rate = reader.info.frame_rate
    assert rate is None or rate == pytest.approx(RATE)


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_file_with_each_ending_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    check(write_dahua(path) if suffix == ".dav" else write(path, *KINDS[suffix]))


@pytest.mark.parametrize("boundary", ["ffmpeg", "myboundary", "--boundarydonotcross"])
def test_multipart_pictures_of_cameras_are_read(tmp_path: Path, boundary: str) -> None:
    check(write_multipart(tmp_path / "camera.mjpg", boundary))


def jpegs(count: int) -> bytes:
    """Pictures as large as a camera's: FFmpeg sees no second one where it looks for the format."""
    noise = np.random.default_rng(1).integers(0, 256, (count, 240, 320, 3), np.uint8)
    return b"".join(as_jpeg(as_image(one), JPEG_QUALITY)[0] for one in noise)


@pytest.mark.parametrize("name", ["camera.mjpeg", "camera.bin"])
def test_large_jpegs_in_a_row_are_a_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(jpegs(5))
    with open_reader(path) as reader:
        assert [round(frame.time_seconds, 2) for frame in reader.frames()] == [0.0, 0.04, 0.08, 0.12, 0.16]


@pytest.mark.parametrize(("name", "count"), [("photo.jpg", 2), ("photo.mjpeg", 1)])
def test_photo_is_no_video(tmp_path: Path, name: str, count: int) -> None:
    """A photo of a phone may have a map of its brightness behind it, which is a JPEG, too."""
    path = tmp_path / name
    path.write_bytes(jpegs(count))
    with pytest.raises(VideoError) as caught:
        open_reader(path)
    assert caught.value.key == "video_is_image"
