"""Files that claim what cannot be: each is a small valid video in which a few bytes were made to lie."""

import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.media import moving, textured, write_video

NUM_FRAMES = 40
_QUICK = {"preset": "ultrafast", "g": "10", "bf": "2"}


def _small(path: Path, count: int = NUM_FRAMES, **options: object) -> bytearray:
    wanted: dict[str, object] = {"options": _QUICK, **options}
    return bytearray(write_video(path, moving(count), **wanted).read_bytes())  # type: ignore[arg-type]


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _gif(folder: Path) -> bytearray:
    """Of few frames: each is laid out on the whole canvas, however small the file is."""
    return _small(folder / "small.gif", 4, codec="gif", pixel_format="rgb8", rate=10, options={})


def gif_of(width: int, height: int) -> Callable[[Path], Path]:
    """A GIF that says that its canvas is this large."""

    def write(folder: Path) -> Path:
        data = _gif(folder)
        data[6:10] = struct.pack("<HH", width, height)
        return _written(folder / "large.gif", data)

    return write


def mjpeg_of(width: int, height: int) -> Callable[[Path], Path]:
    """An AVI whose header and every JPEG say that the picture is this large."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.avi", codec="mjpeg", pixel_format="yuvj420p", options={})
        for start in _places(data, b"\xff\xc0\x00\x11\x08"):
            data[start + 5 : start + 9] = struct.pack(">HH", height, width)
        start = data.index(b"strf") + 12
        data[start : start + 8] = struct.pack("<ii", width, height)
        return _written(folder / "large.avi", data)

    return write


def _places(data: bytes, mark: bytes) -> list[int]:
    found, start = [], data.find(mark)
    while start >= 0:
        found.append(start)
        start = data.find(mark, start + 1)
    return found


def many_streams(count: int) -> Callable[[Path], Path]:
    """An MP4 whose track is there `count` times."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.mp4")
        moov, trak = data.index(b"moov") - 4, data.index(b"trak") - 4
        size = struct.unpack_from(">I", data, trak)[0]
        tracks = bytes(data[trak : trak + size]) * count
        struct.pack_into(">I", data, moov, struct.unpack_from(">I", data, moov)[0] + len(tracks) - size)
        return _written(folder / "streams.mp4", data[:trak] + tracks + data[trak + size :])

    return write


def mp4_duration(value: int) -> Callable[[Path], Path]:
    """An MP4 whose three durations are all `value` ticks."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.mp4")
        for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
            struct.pack_into(">I", data, data.index(box) + offset, value)
        return _written(folder / "duration.mp4", data)

    return write


def mkv_duration(value: float) -> Callable[[Path], Path]:
    """A Matroska file that says that it lasts `value` milliseconds."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.mkv")
        struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, value)
        return _written(folder / "duration.mkv", data)

    return write


def avi_rate(rate: int, scale: int) -> Callable[[Path], Path]:
    """An AVI that says that it shows rate / scale frames a second."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.avi", codec="mpeg4", options={})
        struct.pack_into("<II", data, data.index(b"strh") + 28, scale, rate)
        return _written(folder / "rate.avi", data)

    return write


def times(name: str, steps: dict[int, float]) -> Callable[[Path], Path]:
    """Before the frames of these numbers there are so many seconds more than 1/25."""

    def write(folder: Path) -> Path:
        now, at = 0.0, []
        for number in range(NUM_FRAMES):
            now += 0.04 * (number > 0) + steps.get(number, 0.0)
            at.append(now)
        return write_video(folder / name, moving(NUM_FRAMES), times=at, options={"preset": "ultrafast", "g": "10"})

    return write


def clocks_set_back(folder: Path) -> Path:
    """A transport stream whose clock goes back by hours, twice."""
    parts = [_small(folder / f"{hours}.ts", start_seconds=hours * 3_600.0) for hours in (9, 5, 1)]
    return _written(folder / "back.ts", b"".join(parts))


def resolutions(*sizes: tuple[int, int]) -> Callable[[Path], Path]:
    """A transport stream whose picture changes its size."""

    def write(folder: Path) -> Path:
        parts = [
            write_video(
                folder / f"{number}.ts", moving(20, *size), start_seconds=number * 0.8, options=_QUICK
            ).read_bytes()
            for number, size in enumerate(sizes)
        ]
        return _written(folder / "sizes.ts", b"".join(parts))

    return write


def box_of_4_gb(box: bytes) -> Callable[[Path], Path]:
    """An MP4 in which a box says that it is 4 GB long."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.mp4", muxer={"movflags": "faststart"})
        struct.pack_into(">I", data, data.index(box) - 4, 0xFFFF_FFF0)
        return _written(folder / "box.mp4", data)

    return write


def table_of(box: bytes, count: int) -> Callable[[Path], Path]:
    """An MP4 in which a table says that it has `count` entries, with boxes of the length that they would take."""

    def write(folder: Path) -> Path:
        data = _small(folder / "small.mp4")
        place = data.index(box)
        struct.pack_into(">I", data, place + (12 if box == b"stsz" else 8), count)
        for around in (b"moov", b"trak", b"mdia", b"minf", b"stbl", box):
            struct.pack_into(">I", data, data.index(around) - 4, 0x7FFF_FFFF)
        return _written(folder / "table.mp4", data)

    return write


def tiny_packets(count: int) -> Callable[[Path], Path]:
    """A video beside `count` packets of sound and as many of picture that hold a byte each."""

    def write(folder: Path) -> Path:
        path = folder / "packets.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options=_QUICK)
            stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
            sound = container.add_stream("pcm_s16le", rate=8_000, layout="mono")
            for image in moving(NUM_FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), format="s16", layout="mono")
            silence.sample_rate = 8_000
            container.mux(sound.encode(silence))
            for number in range(count):
                for owner in (stream, sound):
                    packet = av.Packet(b"\0\0")
                    packet.stream, packet.time_base = owner, Fraction(1, 25)
                    packet.pts = packet.dts = NUM_FRAMES + number
                    container.mux(packet)
        return path

    return write


def deep_picture(folder: Path) -> Path:
    """Losslessly packed pictures of a single colour: a small file that is large when it is unpacked."""
    image = textured(1, 16, 16)
    image[:] = 7
    return write_video(
        folder / "deep.mov",
        (image.repeat(250, axis=0).repeat(250, axis=1) for _ in range(2)),
        codec="png",
        pixel_format="rgb24",
        options={},
    )


FILES: dict[str, Callable[[Path], Path]] = {
    "gif of 30,000 x 30,000": gif_of(30_000, 30_000),
    "gif of 12,000 x 12,000": gif_of(12_000, 12_000),
    "gif of 5,000 x 5,000": gif_of(5_000, 5_000),
    "jpeg of 30,000 x 30,000": mjpeg_of(30_000, 30_000),
    "jpeg of 12,000 x 12,000": mjpeg_of(12_000, 12_000),
    "packed pictures": deep_picture,
    "10,000 streams": many_streams(10_000),
    "900 streams": many_streams(900),
    "1,000 frames a second": avi_rate(1_000, 1),
    "4,294,967,295 frames a second": avi_rate(0xFFFF_FFFF, 1),
    "one frame in 136 years": avi_rate(1, 0xFFFF_FFFF),
    "0 frames a second": avi_rate(0, 1),
    "0 frames in no time": avi_rate(0, 0),
    "mp4 without length": mp4_duration(0),
    "mp4 of unknown length": mp4_duration(0xFFFF_FFFF),
    "mp4 of 4 billion ticks": mp4_duration(0xFFFF_FFFE),
    "mp4 of negative length": mp4_duration(0x8000_0001),
    "mkv without length": mkv_duration(0.0),
    "mkv of infinite length": mkv_duration(math.inf),
    "mkv of a length that is no number": mkv_duration(math.nan),
    "mkv of negative length": mkv_duration(-5_000.0),
    "mkv of endless length": mkv_duration(1e300),
    "times that jump by hours": times("jump.mkv", {10: 5 * 3_600.0, 20: 9 * 3_600.0}),
    "times that jump by hours, mp4": times("jump.mp4", {10: 5 * 3_600.0, 20: 9 * 3_600.0}),
    "times that jump by years": times("years.mkv", {20: 3e8}),
    "clock set back by hours": clocks_set_back,
    "size changes": resolutions((160, 96), (320, 192), (96, 160)),
    "box of 4 GB: moov": box_of_4_gb(b"moov"),
    "box of 4 GB: trak": box_of_4_gb(b"trak"),
    "box of 4 GB: stsd": box_of_4_gb(b"stsd"),
    "box of 4 GB: mdat": box_of_4_gb(b"mdat"),
    "box of 4 GB: free": box_of_4_gb(b"free"),
    "table of 100 million sizes": table_of(b"stsz", 100_000_000),
    "table of 2 billion times": table_of(b"stts", 0x7FFF_FFFF),
    "table of 500 million chunks": table_of(b"stco", 500_000_000),
    "thousands of tiny packets": tiny_packets(5_000),
}
