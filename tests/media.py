"""Writes small real videos for tests: cards, motion, fades and slides, with whatever timing and container is asked for.

Everything is drawn here and encoded with PyAV; nothing is downloaded and no ffmpeg program is needed.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Height x width x 3, RGB."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 30),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "orange": (245, 140, 20),
    "purple": (130, 40, 170),
}
_TICKS = 90_000


def solid(colour: tuple[int, int, int], width: int = 160, height: int = 96) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def numbered(number: int, colour: tuple[int, int, int], width: int = 160, height: int = 96) -> Image:
    """A card with a number on it."""
    image = solid(colour, width, height)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    cv2.putText(image, str(number), (width // 8, height * 3 // 4), cv2.FONT_HERSHEY_SIMPLEX, height / 50, ink, 3)
    return image


def cards(colours: Iterable[str], frames_each: int, width: int = 160, height: int = 96) -> Iterator[Image]:
    """Each named colour for `frames_each` frames."""
    for name in colours:
        yield from [solid(COLOURS[name], width, height)] * frames_each


def textured(seed: int, width: int = 160, height: int = 96) -> Image:
    """A still picture with detail, the same for the same seed."""
    coarse = np.random.default_rng(seed).integers(30, 226, (6, 10, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def moving(count: int, width: int = 160, height: int = 96, seed: int = 1) -> Iterator[Image]:
    """A bright square that crosses a textured ground from left to right."""
    ground, side = textured(seed, width, height), height // 3
    for step in range(count):
        image = ground.copy()
        left = (width - side) * step // max(1, count - 1)
        image[side : 2 * side, left : left + side] = (250, 240, 120)
        yield image


def faded(image: Image, count: int, start: float, end: float) -> Iterator[Image]:
    """`count` frames of the image dimmed from `start` to `end` (1 is full light)."""
    for light in np.linspace(start, end, count):
        yield np.asarray(image * light, np.uint8)


def write_video(
    path: Path,
    images: Iterable[Image],
    *,
    rate: int | Fraction = 25,
    times: Sequence[float] | None = None,
    start_seconds: float = 0.0,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    muxer: Mapping[str, str] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Encodes the images, at `times` (seconds) where given, else at `rate`; `start_seconds` shifts all of them.

    `rotation` is the turn, clockwise in degrees, that a player must apply.
    """
    frames = iter(images)
    first = next(frames)
    with same_scheduling(), av.open(str(path), "w", options=dict(muxer or {})) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], pixel_format
        stream.codec_context.time_base = Fraction(1, _TICKS) if times is not None else Fraction(1) / rate
        stream.options = dict(options or ({"preset": "ultrafast", "g": "50"} if codec == "libx264" else {}))
        if pixel_aspect is not None:
            stream.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(-rotation)
        unit = stream.codec_context.time_base
        for index, image in enumerate(chain([first], frames)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            seconds = start_seconds + (times[index] if times is not None else float(index / rate))
            frame.pts, frame.time_base = round(seconds / unit), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_clean_aperture(path: Path, *numbers: int) -> Path:
    """Insert a `clap` box into the sample entry of an MP4 whose index comes last."""
    data = bytearray(path.read_bytes())
    box = struct.pack(">I4s8i", 40, b"clap", *numbers)
    entry = data.rindex(b"avc1") - 4
    data[entry + 86 : entry + 86] = box
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        place = data.rindex(kind) - 4
        data[place : place + 4] = (int.from_bytes(data[place : place + 4]) + len(box)).to_bytes(4)
    path.write_bytes(data)
    return path


@contextmanager
def same_scheduling() -> Iterator[None]:
    """Undo what SVT-AV1 does for root: it gives this thread, and all that it starts from then on, real-time priority.

    Whatever else runs on the machine then gets almost no time beside the tests.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with a tone and no picture."""
    rate = 16_000
    wave = (8_000 * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_sound(
    source: Path, target: Path, *, sound: tuple[float, float], picture_start: float = 0.0, timecode: str = ""
) -> Path:
    """The pictures of `source` from `picture_start` on, with a tone in [start, end) seconds, and a timecode."""
    rate = 48_000
    start, end = sound
    wave = (8_000 * np.sin(np.arange(round((end - start) * rate)) * 2 * np.pi * 440 / rate)).astype(np.int16)
    with av.open(str(source)) as before, av.open(str(target), "w") as container:
        picture = before.streams.video[0]
        copied = container.add_stream_from_template(picture)
        if timecode:
            copied.metadata["timecode"] = timecode
        tone = container.add_stream("mp2" if target.suffix in (".avi", ".mpg") else "aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
        packets = [*tone.encode(frame), *tone.encode(None)]
        for packet in before.demux(picture):
            if packet.dts is not None:
                shift = round(picture_start / packet.time_base)
                packet.pts, packet.dts, packet.stream = (packet.pts or 0) + shift, packet.dts + shift, copied
                packets.append(packet)
        container.mux(sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)))
    return target


def cut_short(source: Path, target: Path, share: float) -> Path:
    """The first `share` of the bytes of `source`."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def repeated(source: Path, target: Path, times: int) -> Path:
    """The pictures of `source`, which begins at 0, so many times in sequence, without encoding them again."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        packets = [(bytes(packet), packet.is_keyframe) for packet in read.demux(stream) if packet.size]
        rate = stream.average_rate
        assert rate is not None
        for number, (data, is_keyframe) in enumerate(packets * times):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.pts, packet.dts = copy, 1 / rate, number, number
            packet.is_keyframe = is_keyframe
            written.mux(packet)
    return target


def with_damage(source: Path, target: Path, start: float = 0.5, length: int = 3_000) -> Path:
    """`source` with `length` bytes overwritten at `start` (a share of its size)."""
    data = bytearray(source.read_bytes())
    place = int(len(data) * start)
    data[place : place + length] = np.random.default_rng(7).bytes(length)
    target.write_bytes(bytes(data))
    return target
