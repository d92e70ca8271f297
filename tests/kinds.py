"""The kinds of files that cameras, phones and broken downloads produce, small, with their frame number in the picture.

Frame n carries n as a bar of 16 cells along its bottom edge (white is 1, the lowest bit left), so that a picture tells
by itself which frame it is, whatever a decoder says about it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.media import Image, cut_short, textured, write_video

NUM_FRAMES = 72
_BITS = 16
_CELLS_ACROSS = 32
_SHOT_FRAMES = 16
_TS_PACKET = 188
_VOP, _NOT_CODED = b"\x00\x00\x01\xb6", b"\x00\x00\x01\xb6\x52\x0c\x3f"
"""Start code of a picture in MPEG-4, and a picture that repeats the previous picture."""
_QUICK = {"preset": "ultrafast", "crf": "20"}


def scenes(count: int = NUM_FRAMES, width: int = 320, height: int = 180) -> Iterator[Image]:
    """Numbered frames of shots in which a bright square crosses a still ground."""
    side = height // 4
    for number in range(count):
        shot, step = divmod(number, _SHOT_FRAMES)
        image = textured(shot, width, height).copy()
        left = (width - side) * step // (_SHOT_FRAMES - 1)
        image[side : 2 * side, left : left + side] = (250, 240, 120)
        yield with_number(image, number)


def with_number(image: Image, number: int) -> Image:
    cell = image.shape[1] // _CELLS_ACROSS
    for bit in range(_BITS):
        image[-cell:, bit * cell : (bit + 1) * cell] = 255 * (number >> bit & 1)
    return image


def number_in(image: NDArray[np.uint8], *, width: int | None = None) -> int:
    """The number that a picture carries; `width` is its drawn width, if pixels were made square since."""
    drawn = width or image.shape[1]
    grey = cv2.cvtColor(cv2.resize(image, (drawn, image.shape[0])), cv2.COLOR_BGR2GRAY)
    cell, edge = drawn // _CELLS_ACROSS, drawn // _CELLS_ACROSS // 4
    low = grey[-cell + edge : -edge or None]
    means = [low[:, bit * cell + edge : (bit + 1) * cell - edge].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 127)


@dataclass(frozen=True)
class Kind:
    """How to write a file of a kind, and what it must then hold.

    `times_seconds` are the times that its frames were written with; `first` is the number of the first that is shown.
    `is_guessed` says that the container holds no times of frames.
    """

    write: Callable[[Path], Path]
    times_seconds: Sequence[float] = tuple(n / 25 for n in range(NUM_FRAMES))
    first: int = 0
    rotation: int = 0
    width: int | None = None
    encoder: str = "libx264"
    is_cut: bool = False
    is_guessed: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether this build of PyAV can write it."""
        try:
            return bool(Codec(self.encoder, "w"))
        except UnknownCodecError:
            return False


def container_times(path: Path) -> list[float] | None:
    """Seconds of all frames by the container's own clock, from the first; None if any frame has no time.

    Read plainly: one thread, no jumps. Frames whose packet was cut off are left out.
    """
    times: list[float | None] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                frames = [frame for frame in packet.decode() if isinstance(frame, VideoFrame) and not frame.is_corrupt]
            except av.error.FFmpegError:
                continue
            times += [None if frame.pts is None else float(frame.pts * (frame.time_base or 0)) for frame in frames]
    known = [time for time in times if time is not None]
    return [time - known[0] for time in known] if len(known) == len(times) else None


def _plain(name: str, **options: object) -> Callable[[Path], Path]:
    wanted: dict[str, object] = {"options": _QUICK, **options}
    return lambda folder: write_video(folder / name, scenes(), **wanted)  # type: ignore[arg-type]


def _sized(name: str, width: int, height: int, **options: object) -> Callable[[Path], Path]:
    wanted: dict[str, object] = {"options": _QUICK, **options}
    return lambda folder: write_video(folder / name, scenes(width=width, height=height), **wanted)  # type: ignore[arg-type]


def _cut(name: str, share: float, **options: object) -> Callable[[Path], Path]:
    return lambda folder: cut_short(_plain(f"whole-{name}", **options)(folder), folder / name, share)


def _packed(name: str) -> Callable[[Path], Path]:
    """An AVI whose MPEG-4 packets hold a frame and the B-frame before it, each followed by a packet without a frame."""

    def write(folder: Path) -> Path:
        path = folder / name
        whole = _plain(f"whole-{name}", codec="mpeg4", options={"bf": "1", "g": "12", "b_strategy": "0"})(folder)
        with av.open(str(whole)) as before, av.open(str(path), "w") as container:
            copied = container.add_stream_from_template(before.streams.video[0])
            packets = [bytes(packet) for packet in before.demux(video=0) if packet.size]
            head, start, rest = packets[0].partition(_VOP)
            packets[0] = head + b"\x00\x00\x01\xb2DivX503b1393p" + start + rest
            is_b = [data[data.index(_VOP) + 4] >> 6 == 2 for data in packets]
            for number, data in enumerate(packets):
                has_b = number + 1 < len(packets) and is_b[number + 1]
                packed = av.Packet(_NOT_CODED if is_b[number] else data + (packets[number + 1] if has_b else b""))
                packed.pts = packed.dts = number
                packed.time_base, packed.is_keyframe = Fraction(1, 25), not number
                packed.stream = copied
                container.mux(packed)
        return path

    return write


def _begun_late(name: str, **options: object) -> Callable[[Path], Path]:
    """A recording that was begun in the middle of a group of frames: its first frames cannot be decoded."""

    def write(folder: Path) -> Path:
        data = _plain(f"whole-{name}", **options)(folder).read_bytes()
        path = folder / name
        path.write_bytes(data[len(data) // 6 // _TS_PACKET * _TS_PACKET :])
        return path

    return write


def _uneven() -> tuple[float, ...]:
    """Steps of 10 to 200 ms, as phones record in bad light, and a pause of 1.5 s."""
    draw, now, times = random.Random(5), 0.0, []
    for number in range(NUM_FRAMES):
        times.append(round(now, 3))
        now += draw.choice((0.01, 0.033, 0.034, 0.05, 0.2)) + (1.5 if number == 40 else 0.0)
    return tuple(times)


def _at(rate: float | Fraction) -> tuple[float, ...]:
    return tuple(float(n / rate) for n in range(NUM_FRAMES))


_UNEVEN = _uneven()
_NTSC = Fraction(30_000, 1_001)
_B = {"preset": "veryfast", "crf": "20", "bf": "3", "b_strategy": "0", "g": "24"}
_PYRAMID = {**_B, "x264-params": "b-pyramid=normal:open-gop=1:bframes=3:ref=4"}
_GROUPS = {**_B, "sc_threshold": "0"}
_OPEN_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=1:keyint=24:scenecut=0:bframes=3"}
_INTERLACED = {**_B, "x264-params": "tff=1"}
_BEFORE = {"avoid_negative_ts": "disabled"}
_NEVER_WHOLE = {"preset": "ultrafast", "crf": "20", "g": "999", "sc_threshold": "0"}

KINDS: dict[str, Kind] = {
    "constant rate": Kind(_plain("constant.mp4")),
    "variable rate mp4": Kind(_plain("variable.mp4", times=_UNEVEN), _UNEVEN),
    "variable rate mkv": Kind(_plain("variable.mkv", times=_UNEVEN), _UNEVEN),
    "variable rate b-frames": Kind(_plain("variable-b.mp4", times=_UNEVEN, options=_B), _UNEVEN),
    "late start mp4": Kind(_plain("late.mp4", start_seconds=2.4)),
    "late start mkv": Kind(_plain("late.mkv", start_seconds=2.4, options=_B)),
    "late start ts": Kind(_plain("late.ts", start_seconds=1_000.0)),
    "negative start mkv": Kind(_plain("negative.mkv", start_seconds=-1.2, muxer=_BEFORE, options=_B)),
    "edit list": Kind(_plain("edit.mp4", start_seconds=-0.4, muxer=_BEFORE), first=10),
    "edit list b-frames": Kind(_plain("edit-b.mp4", start_seconds=-0.4, muxer=_BEFORE, options=_B), first=10),
    "edit list in b-frames": Kind(_plain("edit-in-b.mp4", start_seconds=-0.44, muxer=_BEFORE, options=_B), first=11),
    "b-frames": Kind(_plain("b.mp4", options=_B)),
    "b-pyramid, open groups": Kind(_plain("pyramid.mp4", options=_PYRAMID)),
    "b-pyramid, open groups, ts": Kind(_plain("pyramid.ts", options=_PYRAMID)),
    "one whole frame": Kind(_plain("long.mp4", options=_NEVER_WHOLE)),
    "every frame whole": Kind(_plain("intra.mp4", options={**_QUICK, "g": "1"})),
    "transport stream": Kind(_plain("plain.ts", options=_B)),
    "transport stream, clock wraps": Kind(_plain("wraps.ts", start_seconds=2**33 / 90_000 - 1.0, options=_B)),
    "recording begun late": Kind(_begun_late("begun.ts", options=_GROUPS), first=24),
    "recording begun late, open groups": Kind(
        _begun_late("begun-open.ts", codec="libx265", options=_OPEN_HEVC), first=24, encoder="libx265"
    ),
    "fragments": Kind(_plain("fragments.mp4", muxer={"movflags": "frag_keyframe+empty_moov"}, options=_B)),
    "index first": Kind(_plain("faststart.mp4", muxer={"movflags": "faststart"}, options=_B)),
    "10 bit": Kind(_plain("ten.mp4", pixel_format="yuv420p10le")),
    "4:4:4": Kind(_plain("full.mp4", pixel_format="yuv444p")),
    "hevc": Kind(_plain("hevc.mp4", codec="libx265", options={"x265-params": "log-level=none"}), encoder="libx265"),
    "hevc 10 bit mkv": Kind(
        _plain("hevc.mkv", codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"}),
        encoder="libx265",
    ),
    "av1": Kind(
        _plain("av1.mp4", codec="libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"}), encoder="libsvtav1"
    ),
    "vp9": Kind(
        _plain("vp9.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}), encoder="libvpx-vp9"
    ),
    "vp9 with hidden frames": Kind(
        _plain(
            "hidden.webm",
            codec="libvpx-vp9",
            options={"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
        ),
        encoder="libvpx-vp9",
    ),
    "mjpeg avi": Kind(_plain("m.avi", codec="mjpeg", pixel_format="yuvj420p", options={}), encoder="mjpeg"),
    "mpeg-4 avi": Kind(_plain("four.avi", codec="mpeg4", options={"g": "12"}), encoder="mpeg4"),
    "mpeg-2 ts": Kind(_plain("two.ts", codec="mpeg2video", options={"g": "12", "bf": "2"}), encoder="mpeg2video"),
    "flash": Kind(_plain("flash.flv", options=_B)),
    "interlaced": Kind(_sized("interlaced.mp4", 320, 192, options=_INTERLACED)),
    "turned 90": Kind(_plain("turned90.mp4", rotation=90), rotation=90),
    "turned 180": Kind(_plain("turned180.mp4", rotation=180, options=_B), rotation=180),
    "turned 270": Kind(_plain("turned270.mp4", rotation=270), rotation=270),
    "odd size": Kind(_sized("odd.mp4", 321, 181, pixel_format="yuv444p")),
    "odd size vp9": Kind(
        _sized("odd.webm", 321, 181, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
        encoder="libvpx-vp9",
    ),
    "pixels not square": Kind(_plain("wide.mp4", pixel_aspect=Fraction(64, 45)), width=320),
    "60 a second": Kind(_plain("sixty.mp4", rate=60, options=_B), _at(60)),
    "30000/1001 a second": Kind(_plain("ntsc.mp4", rate=_NTSC, options=_B), _at(_NTSC)),
    "30000/1001 a second mkv": Kind(_plain("ntsc.mkv", rate=_NTSC), _at(_NTSC)),
    "cut off, index first": Kind(_cut("cut.mp4", 0.6, muxer={"movflags": "faststart"}, options=_B), is_cut=True),
    "cut off mkv": Kind(_cut("cut.mkv", 0.6, options=_B), is_cut=True),
    "cut off ts": Kind(_cut("cut.ts", 0.6, options=_B), is_cut=True),
    "h.264 avi": Kind(_plain("h264.avi", options=_B), is_guessed=True),
    "h.264 avi without b-frames": Kind(_plain("plain.avi")),
    "mpeg-4 b-frames avi": Kind(_plain("four-b.avi", codec="mpeg4", options={"g": "12", "bf": "2"}), encoder="mpeg4"),
    "packed b-frames avi": Kind(_packed("packed.avi"), encoder="mpeg4", is_guessed=True),
    "h.264 asf": Kind(_plain("h264.asf", options=_B), is_guessed=True),
    "raw h.264": Kind(_plain("raw.h264", options=_B), is_guessed=True),
    "cut off avi": Kind(_cut("cut.avi", 0.6, codec="mpeg4", options={"g": "12"}), encoder="mpeg4", is_cut=True),
}
