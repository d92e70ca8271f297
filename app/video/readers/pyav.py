"""The first reader: PyAV, which gives every frame its exact presentation timestamp.

From a container to pictures: packets are demuxed and decoded in order, once; damaged ones are counted and skipped.
The picture work on the planes is OpenCV's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Self

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from app.domain import VideoInfo
from app.errors import DecodeError, InputError
from app.video.files import printable
from app.video.readers.base import (
    CELL_SIZE,
    LUMA_SIZE,
    Clock,
    Image,
    Thumb,
    as_image,
    fitted,
    scaled,
    shown_size,
    turned,
)
from app.video.readers.formats import OPEN_OPTIONS, begins_like_video, is_moving_image, is_still_image

_PLANAR_8_BIT = frozenset(
    f"yuv{kind}{layout}" for kind in ("", "j") for layout in ("420p", "422p", "444p", "440p", "411p")
)
_LINES_READ = 4
"""Lines of a plane that are looked at for each line of the thumb."""


@dataclass(frozen=True)
class AvPicture:
    """A decoded frame, kept as the decoder gave it until a picture is asked for."""

    frame: VideoFrame
    index: int
    time_seconds: float
    duration_seconds: float
    pixel_aspect: float
    rotation_degrees: int

    @property
    def is_damaged(self) -> bool:
        return self.frame.is_corrupt

    @property
    def is_whole(self) -> bool:
        return bool(self.frame.key_frame)

    @property
    def num_bytes(self) -> int:
        return sum(plane.buffer_size for plane in self.frame.planes)

    def thumb(self) -> Thumb:
        frame = self.frame
        if frame.format.name not in _PLANAR_8_BIT:
            width, height = LUMA_SIZE
            frame = frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
        luma, blue, red = frame.planes[:3]
        return Thumb(_shrunk(luma, LUMA_SIZE), _shrunk(blue, CELL_SIZE), _shrunk(red, CELL_SIZE))

    def upright(self, max_side: int) -> Image:
        image = as_image(self.frame.to_ndarray(format="bgr24", src_colorspace=self.frame.colorspace))
        size = shown_size(image.shape[1], image.shape[0], self.pixel_aspect, 0)
        return turned(scaled(image, fitted(*size, max_side)), self.rotation_degrees)


def _shrunk(plane: VideoPlane, size: tuple[int, int]) -> Image:
    """The plane at `size` (width, height), without a copy of it at its own size.

    Lines are padded, so they are cut; of tall planes only some lines are read, which is most of what a survey costs.
    """
    pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    return scaled(pixels[:: max(1, plane.height // (_LINES_READ * size[1]))], size)


class AvReader:
    """Opens `path` and decodes its first frame. Raises InputError or DecodeError, as `open_reader` says."""

    name = "pyav"

    def __init__(self, path: Path) -> None:
        self.num_damaged = 0
        self.reached_seconds = 0.0
        self._path = path
        self._container = _opened(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._stream.thread_type = "AUTO"
            self._unit = self._stream.time_base or Fraction(1, 1000)
            self._pixel_aspect = float(self._stream.sample_aspect_ratio or 1) or 1.0
            self._nominal_seconds = 1 / float(self._stream.average_rate or 25)
            self._clock = Clock(self._nominal_seconds)
            self._decoded: Iterator[VideoFrame] = self._decode()
            self._first = self._first_frame()
            self.declared_seconds = self._declared()
            self.info = self._describe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def frames(self) -> Iterator[AvPicture]:
        aspect, rotation = self._pixel_aspect, self.info.rotation_degrees
        for index, frame in enumerate(self._all_frames()):
            length = float(frame.duration * self._unit) if frame.duration else self._nominal_seconds
            if frame.is_corrupt:
                self.num_damaged += 1
            time = self._clock.stamp(self._raw_seconds(frame))
            yield AvPicture(frame, index, time, length, aspect, rotation)

    def _raw_seconds(self, frame: VideoFrame) -> float | None:
        return None if frame.pts is None else float(frame.pts * self._unit)

    def _all_frames(self) -> Iterator[VideoFrame]:
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._decoded

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            self._note_reach(packet)
            if packet.stream.index != self._stream.index:  # the last, empty packet tells its stream only so
                continue
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.num_damaged += 1
                continue
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Every stream's packets: where the sound ends tells whether a file without a length of its own is whole."""
        try:
            yield from self._container.demux()
        except av.error.FFmpegError:
            self.num_damaged += 1

    def _note_reach(self, packet: Packet[Stream]) -> None:
        if packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * float(packet.time_base)
            self.reached_seconds = max(self.reached_seconds, end)

    def _first_frame(self) -> VideoFrame | None:
        name = printable(self._path.name)
        first = next(self._decoded, None)
        if first is None:
            raise DecodeError("video_no_frames", name=name, codec=self._stream.codec.canonical_name)
        if is_moving_image(self._container.format.name) and self._is_alone(first):
            raise InputError("video_is_image", name=name, format=self._container.format.name)
        return first

    def _is_alone(self, first: VideoFrame) -> bool:
        second = next(self._decoded, None)
        if second is None:
            return True
        self._decoded = chain([second], self._decoded)
        return False

    def _declared(self) -> float | None:
        stream, container = self._stream, self._container
        if container.format.name == "avi" and stream.frames:
            return stream.frames * self._nominal_seconds  # its duration is worked out from what is left of the file
        if stream.duration:
            return float(((stream.start_time or 0) + stream.duration) * self._unit)
        if container.duration:
            # Matroska's duration is where its last frame ends, not how long it takes from the first.
            start = 0 if container.format.name.startswith("matroska") else container.start_time or 0
            return (start + container.duration) / av.time_base
        return None

    def _describe(self) -> VideoInfo:
        first, stream, container = self._first, self._stream, self._container
        assert first is not None
        start = self._raw_seconds(first) or 0.0
        rotation = -first.rotation % 360
        width, height = shown_size(first.width, first.height, self._pixel_aspect, rotation)
        return VideoInfo(
            path=self._path,
            name=self._path.name,
            size_bytes=self._path.stat().st_size,
            container=container.format.name,
            codec=stream.codec.canonical_name,
            pixel_format=first.format.name,
            width=width,
            height=height,
            rotation_degrees=rotation,
            duration_seconds_from_header=None if self.declared_seconds is None else self.declared_seconds - start,
            frame_rate=float(stream.average_rate) if stream.average_rate else None,
            num_frames_from_header=stream.frames or None,
            start_seconds=start,
            has_audio=bool(container.streams.audio),
        )


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """The container and the stream of it that is the video; close the container. Raises what AvReader raises."""
    container = _opened(path)
    try:
        stream = _video_stream(container, path)
    except BaseException:
        container.close()
        raise
    stream.thread_type = "AUTO"
    return container, stream


def _opened(path: Path) -> InputContainer:
    name = printable(path.name)
    try:
        container = av.open(str(path.absolute()), options=OPEN_OPTIONS, metadata_errors="replace")
    except PermissionError as error:
        raise InputError("video_no_permission", path=printable(path)) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if begins_like_video(path):
            raise DecodeError("video_index_missing", name=name) from error
        raise InputError("video_not_a_video", name=name) from error
    if is_still_image(container):
        container.close()
        raise InputError("video_is_image", name=name, format=container.format.name)
    return container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The moving picture: cover art is not one. Of several, the one marked as default, else the largest."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        key = "video_audio_only" if container.streams.audio else "video_not_a_video"
        raise InputError(key, name=printable(path.name))
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise DecodeError("video_no_frames", name=printable(path.name), codec="?")
    return max(known, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height))
