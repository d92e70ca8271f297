"""Interface of the video readers (`FrameReader`, `Picture`), with the clock and formats they share.

A reader makes one sequential pass over upright pictures with exact times. Nothing here decodes.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast

import cv2
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer, Type
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from framelens.core.domain import VideoInfo
from framelens.video.files import open_input

_SHAPER = VideoReformatter()
"""Shared by all pictures, since it caches its tables for a format. Only one thread of a worker converts."""
Image = NDArray[np.uint8]
"""Height x width x 3, BGR, 8 bit, unless a name says otherwise."""
LUMA_SIZE = (160, 90)
CELL_SIZE = (32, 18)
"""(width, height) of the pictures that the survey compares: as stored (not rotated), whatever the shape of the video.
"""
JPEG_QUALITY = 90
"""Of keyframes that are kept and shown."""
PLANAR_8_BIT = frozenset(
    f"yuv{kind}{layout}" for kind in ("", "j") for layout in ("420p", "422p", "444p", "440p", "411p")
)
"""Names of the pixel formats with planes of eight bits, luma first."""
_LEAST_STEP_SECONDS = 0.00002
"""Between two frames where the file's times don't rise: a clock of milliseconds has several frames of fast cameras at
the same time."""
ANY_MATRIX = 1
"""For luma or alpha alone, which is the same with each matrix; swscale doesn't know all."""
_HELD_SECONDS = 0.1
"""A frame is held if the sound ends later by more: by less it does in most files, since encoders fill their last
block.
"""
_RESTART_SECONDS = 1.0
"""A timestamp that falls back by more is a clock that started again."""
_VIDEO_FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpegtsraw", "mpeg", "mpegvideo",
    "m4v", "flv", "live_flv", "kux", "asf", "asf_o", "ogg", "mxf", "wtv", "rm", "nut", "nsv", "dv", "dirac", "ivf",
    "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "vc1", "vc1test", "cavsvideo", "avs2", "avs3", "mjpeg",
    "mjpeg_2000", "yuv4mpegpipe", "gif", "apng", "swf", "amv", "bink", "smk", "flic", "gxf", "lxf", "mv", "pva", "r3d",
    "roq", "rpl", "thp", "vmd", "wc3movie", "4xm", "film_cpk", "dhav", "mpjpeg", "smjpeg", "pdv",
)  # fmt: skip
_SOUND_FORMATS = (
    "mp3", "wav", "w64", "flac", "aac", "ac3", "eac3", "amr", "aiff", "ape", "caf", "dts", "opus", "tta", "wv", "au",
    "mpc", "mpc8", "tak", "dsf", "voc", "xwma",
)  # fmt: skip
_STILL_FORMATS = (
    "image2", "png_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_pipe", "j2k_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe",
    "gif_pipe", "psd_pipe", "ppm_pipe", "pgm_pipe", "pbm_pipe", "pam_pipe", "qoi_pipe", "exr_pipe", "hdr_pipe",
    "dds_pipe", "pcx_pipe", "sgi_pipe", "svg_pipe", "xbm_pipe", "xpm_pipe", "sunrast_pipe", "ico",
)  # fmt: skip
_MOVING_IMAGES = frozenset({"gif", "apng", "jpegxl_anim", "webp", "mjpeg"})
_PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".insp"})
"""Photos may have further pictures behind the first: a map of its brightness, a preview, the other eye's picture."""
_STILL_BRANDS = frozenset({"avif", "heic", "heix", "mif1"})
_UNWRITTEN_BYTES = 4096
_BOUNDARY_BYTES = 128
"""A boundary has at most 70 characters (RFC 2046, 5.1.1)."""
_GXF_END = b"\0\0\0\0\x01\xfb\0\0\0\x10\0\0\0\0\xe1\xe2"
"""The packet at the end of a stream (SMPTE 360M)."""
OPEN_OPTIONS = {
    # Every stream takes time and a megabyte before the first picture; a whole transponder has fewer streams.
    "max_streams": "256",
    "protocol_whitelist": "file",
    "format_whitelist": ",".join((*_VIDEO_FORMATS, *_SOUND_FORMATS, *_STILL_FORMATS)),
    # Of APNG: pictures that are shown for 10 ms or less are shown for 100 ms by browsers.
    "max_fps": "99",
    "default_fps": "10",
}
"""Options for opening a file. The list of formats is closed on purpose: FFmpeg also opens playlists (HLS, DASH, concat)
and text formats as videos, and an uploaded file must not make it read other files or use the network."""


@dataclass
class PictureChanges:
    """Changes to pictures besides turning, cropping and scaling, and to times; shared by a reader and its pictures.

    Attributes:
        is_deinterlaced: Combing was found and removed.
        is_composited: Transparent parts are shown on white.
        has_continued_clock: The container's clock started again, and their times continue.
        outliers_seconds: Corrected times of packets whose own were outliers, on the time axis of the container.
        has_late_frames: Frames can't be shown at their times, since a later frame was shown already.
        is_followed: Behind the video is another, which isn't read: files were joined byte by byte.
    """

    is_deinterlaced: bool = False
    is_composited: bool = False
    has_continued_clock: bool = False
    outliers_seconds: list[float] = field(default_factory=list)
    has_late_frames: bool = False
    is_followed: bool = False


Gap = Literal["", "still", "skipped"]
"""Why frames were left out: their packets show nothing new, or there was no time for them."""


class Picture(Protocol):
    """Decoded frame. Holding it costs `num_bytes`; the picture is converted only on request."""

    @property
    def index(self) -> int:
        """Return the 0-based index of the frame in display order."""

    @property
    def time_seconds(self) -> float:
        """Return when the frame is shown, in seconds since the first frame."""

    @property
    def duration_seconds(self) -> float:
        """Return how long the frame is shown according to the file, or as long as a nominal frame if it doesn't say."""

    @property
    def is_damaged(self) -> bool:
        """Return whether the frame shows damage; see framelens.video.readers.damage."""

    @property
    def is_whole(self) -> bool:
        """Return whether the codec stored the frame whole (intra-coded, a keyframe); False if unknown."""

    @property
    def gap(self) -> Gap:
        """Return why a DecodePlan left out the frames between the last picture and this one, "" if it didn't."""

    @property
    def num_bytes(self) -> int:
        """Return the memory that the decoded frame takes."""

    def levels(self) -> Image:
        """Return the means of Y, Cb and Cr at CELL_SIZE, as an array of 3 x height x width."""

    def luma(self) -> Image:
        """Return the luma at LUMA_SIZE."""

    def upright(self, max_side: int) -> Image:
        """Return the picture as shown, its longer side at most `max_side` pixels; see `geometry`."""


class OpenedFile(Protocol):
    """An opened file; leaving its `with` block closes it."""

    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FrameReader(OpenedFile, Protocol):
    """An opened video whose frames are read once, in display order.

    Frames that no other frame depends on may be skipped, but they count in the index of the following frames. Methods
    with a body here are for a reader that skips no frames.

    Attributes:
        name: The reader's key in framelens.video.readers.READERS.
        info: The metadata of the file.
        changes: What was done to the pictures that were shown until now.
        mapped_colours: The transfer and gamut of a video whose pictures are shown tone-mapped, such as "HLG, BT.2020".
        loses_alpha: Whether the file announces an alpha channel that the decoder leaves out.
    """

    name: str
    info: VideoInfo
    changes: PictureChanges
    mapped_colours: str = ""
    loses_alpha: bool = False

    @property
    def decoded_share(self) -> float:
        """Return the share of the packets that were decoded; less than 1 where a DecodePlan left out others."""
        return 1.0

    @property
    def ended_early_seconds(self) -> float | None:
        """Return the seconds that were read until the time was over, None if it wasn't."""
        return None

    @property
    def declared_seconds(self) -> float | None:
        """Return the end of the video according to the file, on the time axis of the container; None if unknown."""
        return None

    @property
    def num_damaged(self) -> int:
        """Return how often damage was found until now."""

    @property
    def reached_seconds(self) -> float:
        """Return how far the file was read, on the time axis of the container."""

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown because the sound is longer, on the time axis of the frames.

        Valid at the end of the video; 0.0 if unknown.
        """
        return 0.0

    @property
    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames read until now follow each other unevenly."""

    @property
    def tail(self) -> tuple[int, float]:
        """Return the number of frames skipped after the last yielded frame, and the seconds they fill.

        Valid at the end of the video.
        """
        return 0, 0.0

    def frames(self) -> Iterator[Picture]:
        """Yield the frames once; those that can't be decoded are left out and counted in `num_damaged`."""

    def passed_over(self, after_seconds: float, before_seconds: float) -> Sequence[tuple[float, Image]]:
        """Return (seconds, levels) of the frames between two times that were decoded but not yielded.

        They are kept for a few seconds, and are usually the frames before a likely new shot.
        """
        return ()


class WrappedReader(FrameReader):
    """Base of a FrameReader that changes the frames of another reader."""

    def __init__(self, reader: FrameReader) -> None:
        self.name, self.info = reader.name, reader.info
        self.changes, self.mapped_colours = reader.changes, reader.mapped_colours
        self.loses_alpha = reader.loses_alpha
        self._reader = reader

    def close(self) -> None:
        """Close the other reader."""
        self._reader.close()

    @property
    def decoded_share(self) -> float:
        """Return the share of the packets that were decoded."""
        return self._reader.decoded_share

    @property
    def ended_early_seconds(self) -> float | None:
        """Return the seconds that were read until the time was over, None if it wasn't."""
        return self._reader.ended_early_seconds

    @property
    def declared_seconds(self) -> float | None:
        """Return the end of the video according to the file."""
        return self._reader.declared_seconds

    @property
    def num_damaged(self) -> int:
        """Return how often damage was found until now."""
        return self._reader.num_damaged

    @property
    def reached_seconds(self) -> float:
        """Return how far the file was read, on the time axis of the container."""
        return self._reader.reached_seconds

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown because the sound is longer."""
        return self._reader.held_until_seconds

    @property
    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames read until now follow each other unevenly."""
        return self._reader.is_variable_frame_rate

    @property
    def tail(self) -> tuple[int, float]:
        """Return the number of frames skipped at the end, and the seconds they fill."""
        return self._reader.tail

    def passed_over(self, after_seconds: float, before_seconds: float) -> Sequence[tuple[float, Image]]:
        """Return (seconds, levels) of the frames between two times that were decoded but not yielded."""
        return self._reader.passed_over(after_seconds, before_seconds)


class Clock:
    """Converter of raw timestamps to seconds since the first frame, strictly rising whatever the file says.

    Frames that are shown across a gap out of order, as where packets are lost, are no restarts: the clock before them
    continues.
    """

    def __init__(self, nominal_seconds: float) -> None:
        self.origin: float | None = None
        self._nominal = nominal_seconds
        self._last = 0.0
        self._shift = self._shift_before = 0.0
        self._guessed = False

    def stamp(self, raw_seconds: float | None) -> float:
        """Return the time of the next frame in display order; pass None if the file gives no time."""
        if self.origin is None:
            self.origin, self._guessed = raw_seconds or 0.0, raw_seconds is None
            return 0.0
        next_one = self._last + self._nominal
        time = next_one if raw_seconds is None else raw_seconds - self.origin + self._shift
        unshifted = time - self._shift + self._shift_before
        if 0 < unshifted - self._last <= _RESTART_SECONDS < time - self._last:
            self._shift, time = self._shift_before, unshifted
        # Timestamps that restart, or start only now, continue from the current time.
        elif time < self._last - _RESTART_SECONDS or (self._guessed and time <= self._last):
            self._shift_before = self._shift
            self._shift += next_one - time
            time = next_one
        self._guessed = raw_seconds is None
        self._last = time if time > self._last else self._last + _LEAST_STEP_SECONDS
        return self._last


def fitted(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Return (width, height) shrunk, never enlarged, so that the longer side is at most `max_side`."""
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def scaled(image: Image, size: tuple[int, int]) -> Image:
    """Return the image scaled to `size` (width, height)."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return as_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def as_image(array: object) -> Image:
    """Return an OpenCV result, which is typed as any array, as an 8-bit image."""
    return np.asarray(array, dtype=np.uint8)


def reformatted(frame: VideoFrame, size: tuple[int, int] | None = None, **options: Any) -> VideoFrame:
    """Return the frame converted by swscale, at `size` (width, height) or at its own; for `options` see PyAV.

    One thread does it: swscale would start new threads for each other size, which costs more than they save.
    """
    width, height = size or (frame.width, frame.height)
    return _SHAPER.reformat(frame, width, height, threads=1, **options)


def with_tags_of(frame: VideoFrame, converted: VideoFrame) -> VideoFrame:
    """Return `converted`, a conversion of `frame`, with the colour tags of `frame`."""
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(converted, name, getattr(frame, name))
    return converted


def samples(plane: VideoPlane, frame: VideoFrame) -> NDArray[Any]:
    """Return a view of a plane of a planar frame, without the padding of its lines.

    Some decoders, such as AMV's, write the last line first; the size of a line is negative then.
    """
    kind = _sample_type(frame.format.name)
    first = max(0, -plane.line_size) * (plane.height - 1)
    strides = (plane.line_size, kind.itemsize)
    return np.ndarray((plane.height, plane.width), kind, cast(Any, plane), offset=first, strides=strides)


@cache
def _sample_type(format_name: str) -> np.dtype[Any]:
    return np.dtype(np.uint16 if VideoFormat(format_name).components[0].bits > 8 else np.uint8)


def _unnamed(cls: type[Type], value: object) -> Type:
    member: Any = object.__new__(cls)
    member._name_, member._value_ = f"UNNAMED_{value}", value
    return cast(Type, member)


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment]
"""PyAV 18 lacks the newest types of FFmpeg 8, such as EXIF in Motion JPEG and the views of MV-HEVC, and raises an error
for every part of a frame with such a type."""


def side_data_of(frame: VideoFrame) -> Mapping[Type, SideData]:
    """Return the side data of a frame, such as its display matrix.

    PyAV's `frame.side_data` stays in the frame and refers to it, so the planes stay in memory until Python searches for
    cycles. Decoding makes few objects that bring that on: hundreds of megabytes waited.
    """
    return {part.type: part for part in cast(Any, SideDataContainer)(frame)}


def samples_8_bit(plane: VideoPlane, frame: VideoFrame) -> Image:
    """Return the samples of a plane with 8 bits: a view where it has as many."""
    surplus = frame.format.components[0].bits - 8
    return as_image(samples(plane, frame) >> surplus) if surplus > 0 else samples(plane, frame)


def as_jpeg(image: Image, quality: int) -> tuple[bytes, int, int]:
    """Encode an image; return (JPEG, width, height)."""
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError(f"an image of shape {image.shape} could not be written as JPEG")
    return data.tobytes(), image.shape[1], image.shape[0]


def is_still_image(container: InputContainer) -> bool:
    """Return whether an opened file is a still image by its format, or by its brand and without a sequence."""
    has_still_brand = container.metadata.get("major_brand", "") in _STILL_BRANDS
    is_sequence = any(stream.frames > 1 for stream in container.streams.video)
    return container.format.name in _STILL_FORMATS or (has_still_brand and not is_sequence)


def may_be_motion_jpeg(container: InputContainer, path: Path) -> bool:
    """Return whether what FFmpeg takes for a JPEG may have more JPEGs behind it: a recording without a container."""
    return container.format.name == "jpeg_pipe" and path.suffix.lower() not in _PHOTO_SUFFIXES


def is_animated_webp(path: Path) -> bool:
    """Return whether a file is an animated WebP: its extended header has the flag for it."""
    with open_input(path) as file:
        start = file.read(21)
    return start[8:16] == b"WEBPVP8X" and len(start) > 20 and bool(start[20] & 2)


def is_moving_image(format_name: str) -> bool:
    """Return whether the format is of images that may move (an animated GIF); with one frame it is a still."""
    return format_name in _MOVING_IMAGES


def is_whole_riff(path: Path) -> bool:
    """Return whether all RIFF chunks of a file, such as an AVI, are as long as they say: it isn't cut off."""
    with open_input(path) as file:
        end, position = file.seek(0, os.SEEK_END), 0
        while position < end:
            file.seek(position)
            head = file.read(8)
            if head[:4] != b"RIFF":
                return position > 0  # something else follows
            position += 8 + int.from_bytes(head[4:], "little")
    return position <= end


def is_cut_off_mp4(path: Path) -> bool:
    """Return whether an MP4 ends inside the box of a fragment or of its data: FFmpeg leaves out what is missing."""
    last = deque(boxes(path), maxlen=1)
    return any(end > path.stat().st_size and kind in (b"moof", b"mdat") for kind, _, end in last)


def is_fragmented_mp4(path: Path) -> bool:
    """Return whether an MP4 is stored in fragments, whose times count from where the whole recording began."""
    return any(kind == b"moof" for kind, _, _ in boxes(path))


def ends_as_its_format(path: Path, format_name: str) -> bool:
    """Return whether FFmpeg takes the end of a whole file for a fault: a boundary of pictures, GXF's last packet."""
    if format_name not in {"mpjpeg", "gxf"}:
        return False
    with open_input(path) as file:
        file.seek(-min(_BOUNDARY_BYTES, path.stat().st_size), os.SEEK_END)
        end = file.read()
    if format_name == "gxf":
        return end.endswith(_GXF_END)
    _, picture_end, after = end.rpartition(b"\xff\xd9")
    return bool(picture_end) and (not after.strip() or after.lstrip().startswith(b"--"))


def held_end(end_seconds: float, sound_seconds: float) -> float:
    """Return when the last frame is no longer shown: with the sound, if it ends clearly later than the frame."""
    return sound_seconds if sound_seconds > end_seconds + _HELD_SECONDS else end_seconds


def ends_in_zeros(path: Path) -> bool:
    """Return whether the end of a file was never written: it was made as long as it should become, as by a download."""
    with open_input(path) as file:
        file.seek(0, os.SEEK_END)
        size = min(file.tell(), _UNWRITTEN_BYTES)
        file.seek(-size, os.SEEK_END)
        return not file.read().strip(b"\0")


def boxes(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kinds of the outer boxes of an MP4, where they begin and end, up to a box without a length."""
    with open_input(path) as file:
        size, position = file.seek(0, os.SEEK_END), 0
        while position < size:
            file.seek(position)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4]), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:])
            if length < 8:  # the box continues to the end, or is no box
                return
            yield kind, position, position + length
            position += length


def begins_like_video(path: Path) -> bool:
    """Return whether a file begins like a video container, even if it can't be opened."""
    with open_input(path) as file:
        start = file.read(12)
    return (
        start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or start.startswith(
            (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"OggS", b"\x47\x40")
        )
        or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
    )


def part_of_stream(path: Path) -> Literal["segment", "playlist", ""]:
    """Return the kind of a file that is part of an adaptive stream (DASH, HLS) and no video by itself, else ""."""
    with open_input(path) as file:
        start = file.read(512)
    if start[4:8] in (b"styp", b"sidx", b"moof"):
        return "segment"
    return "playlist" if start.lstrip(b"\xef\xbb\xbf").startswith(b"#EXTM3U") or b"<MPD" in start else ""
