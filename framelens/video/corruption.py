"""Detector of damage that no decoder reports: decodes twice, in two ways that agree on every undamaged file.

Flipped bits mostly decode to some picture without an error. A second decoder then returns another picture, or no
picture: FFmpeg can start the rows of HEVC where the file says and not where the row before ended, libvpx notices data
that ends too early, dav1d in strict mode checks how each tile ends, libjpeg reports left-over bytes, and where a frame
of FFV1 can't be decoded, FFmpeg shows what its memory held. That costs as much as the survey, so the whole file is
decoded again only if there is a sign of damage: a report of the first decoder, or a mismatch in a few frames that are
decoded again in every video, mainly those that change most abruptly.

A picture of MJPEG is coded alone, so its neighbours show what should be there; `is_broken_off` compares them.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any, cast

import av.error
import cv2
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framelens.core.domain import DecodeSummary, Notice, VideoInfo
from framelens.core.errors import AppError
from framelens.video.features.frame_signature import Glance
from framelens.video.keyframes.strategies import Span
from framelens.video.limits import move_on
from framelens.video.readers import damage
from framelens.video.readers.base import CELL_SIZE, FrameReader, Image, OpenedFile, Picture, WrappedReader
from framelens.video.readers.damage import HEALED_SECONDS, Damage
from framelens.video.readers.packets import demuxed
from framelens.video.readers.picture import AvPicture
from framelens.video.readers.pyav import open_video, presentation_of

_SILENT = frozenset({"hevc", "mjpeg", "vp8", "vp9"})
"""Codecs whose first decoder does not report all damage."""
_CODECS = _SILENT | {"av1", "ffv1"}
_COMPARED = frozenset({"ffv1", "hevc", "vp8"})
"""Codecs of which both decoders show damaged frames, but differently; undamaged frames are the same in both."""
_SKIPPED = frozenset({"hevc"})
"""Codecs whose second decoder leaves out frames that no other depends on. Elsewhere it refuses the frames it lacks."""
_LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Second decoders by codec; they refuse a damaged frame, the decoder of VP9 always, and all that depend on it."""
_MOST_SHARE = 0.002
_MOST_PIXELS = 2_000_000
"""Share of all frames, or number of pixels if that is more, that are decoded again in every video of a silent codec. It
costs about two percent of a short survey, less of a long survey (docs/benchmarks/keyframes.md, "Damage")."""
_JUMP_LEVELS = 12
"""Change of a cell, of 256 levels, that counts as abrupt."""
_LEAST_CELLS = 3
"""Abruptly changed cells, more than in the frame before, that make a jump."""
_MOST_JUMPS = 256
"""Jumps that are kept: the largest."""
_SAME_SECONDS = 1e-4
"""Times that differ by less belong to the same frame."""
_APART_SECONDS = 0.5
"""Damaged frames that are further apart are separate parts in the notice."""
_CALM_LEVELS = 6
"""Largest change, of 256 levels, of a cell in which nothing happens. 17 of 28 visibly damaged pictures of MJPEG that no
decoder reports are found with this and the values below, and 0 of 1,918 undamaged pictures of 30 clips."""
_BROKEN_LEVELS = 12
"""Least difference of a damaged cell from both neighbours."""
_LEAST_BROKEN_CELLS = 6
"""A hundredth of the picture."""
_LEAST_ROW_CELLS = 4
"""Damaged cells that a row has at least."""
_LEAST_RUN_SHARE = 0.6
"""Share of the columns up to the right edge that damage fills; the others look as before by chance."""
_MOST_RESTLESS_SHARE = 0.1
"""Share of the cells that may change between the neighbours; with more nothing can be said."""
_MOST_OTHER_SHARE = 0.05
"""Share of the other cells that may differ."""
_BAND_ROWS = 3
"""Rows of cells that a row of blocks reaches into at most."""
_HABIT_SHARE = 0.5
"""If libjpeg warns of a larger share of the pictures, and FFmpeg doesn't, the camera writes them that way."""

_Places = NDArray[np.bool_]
_Shown = dict[float, int]
"""Output of a second decoder: {seconds of a frame: checksum of its levels}, rising."""


class Suspects:
    """Checksums and abrupt changes of the frames of a survey. `push` every frame in order."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._seconds = array("d")
        self._prints = array("L")
        self._starts: list[int] = []  # places of the frames that are stored whole
        self._jumps: list[tuple[int, int]] = []  # (cells, place)
        self._levels: Image | None = None
        self._before: Image | None = None  # levels of the frame before that
        self._num_changed = 0
        self._broken_off: list[int] = []  # places

    def push(self, picture: Picture, glance: Glance) -> None:
        """Add a decoded frame and its glance."""
        if self._codec not in _CODECS:
            return
        index, levels = len(self._seconds), glance.levels
        self._seconds.append(picture.time_seconds)
        if self._codec in _COMPARED:  # of the other codecs it only counts whether a frame is there
            self._prints.append(_print_of(levels))
        if self._codec not in _SILENT:
            return
        if picture.is_whole:
            self._starts.append(index)
        if (
            self._codec == "mjpeg"
            and self._levels is not None
            and self._before is not None
            and is_broken_off(self._levels, self._before, levels)
        ):
            self._broken_off.append(index - 1)
        if self._levels is not None:
            _, is_changed = cv2.threshold(cv2.absdiff(levels, self._levels), _JUMP_LEVELS, 1, cv2.THRESH_BINARY)
            num_changed = cv2.countNonZero(is_changed)
            if num_changed - self._num_changed >= _LEAST_CELLS:
                self._jumps.append((num_changed - self._num_changed, index))
            self._num_changed = num_changed
            if len(self._jumps) > 2 * _MOST_JUMPS:
                self._jumps = sorted(self._jumps, reverse=True)[:_MOST_JUMPS]
        self._before, self._levels = self._levels, levels

    def damaged_seconds(self, video: VideoInfo, *, num_reported: int, offset_seconds: float) -> list[float]:
        """Return the times of the frames that a second decoder or the frames around them don't confirm.

        In seconds from the start of the video, rising.

        Args:
            video: The surveyed video.
            num_reported: How often the first decoder reported damage.
            offset_seconds: The time of the first pushed frame, from the start of the video.
        """
        if self._codec not in _CODECS or not self._seconds:
            return []
        seconds = np.asarray(self._seconds) + offset_seconds
        unconfirmed = self._unconfirmed_seconds(video, seconds, num_reported)
        return sorted({*unconfirmed, *(float(seconds[index]) for index in self._broken_off)})

    def _unconfirmed_seconds(self, video: VideoInfo, seconds: NDArray[np.float64], num_reported: int) -> list[float]:
        """Return the times of the frames that a second decoder doesn't confirm."""
        try:
            if not num_reported and not self._is_doubtful(video, seconds):
                return []
            with _Second(video) as second:
                shown = second.all()
        except (AppError, OSError, av.error.FFmpegError):
            return []  # the file was deleted, or can't be sought in
        # An encoder may end all tiles of AV1 in a way that dav1d refuses in strict mode only, or all pictures of MJPEG
        # in a way that libjpeg warns of. Then the first decoder reports nothing.
        is_refused = video.codec in ("av1", "mjpeg") and num_reported >= len(seconds)
        if not shown and not is_refused and not (video.codec in _LIBVPX and video.pixel_format == "yuv420p"):
            return []
        is_wrong = self._unconfirmed(seconds, slice(None), shown)
        if video.codec == "mjpeg" and is_wrong.mean() > _HABIT_SHARE and not is_refused:
            return []
        return [float(value) for value in seconds[is_wrong]]

    def _is_doubtful(self, video: VideoInfo, seconds: NDArray[np.float64]) -> bool:
        """Return whether a second decoder refuses some of a few frames, or shows them differently."""
        if self._codec not in _SILENT:
            return False
        parts = self._parts(video.width * video.height)
        num_wrong = 0
        with _Second(video) as second:
            for start, last in parts:
                shown = second.between(float(seconds[start]), float(seconds[last]))
                places = slice(start, last + 1)
                num_wrong += shown is not None and bool(self._unconfirmed(seconds[places], places, shown).any())
                if num_wrong and self._codec != "mjpeg":
                    return True
        return 0 < num_wrong <= _HABIT_SHARE * len(parts)

    def _unconfirmed(self, seconds: NDArray[np.float64], places: slice, shown: _Shown) -> _Places:
        """Return a mask of the frames at `places` that look different, or are missing if the decoder refuses damage."""
        times = np.fromiter(shown, np.float64)
        if not times.size:
            return np.full(seconds.size, self._codec not in _SKIPPED)
        nearest = np.searchsorted(times, seconds - _SAME_SECONDS).clip(max=times.size - 1)
        is_there = np.abs(times[nearest] - seconds) <= _SAME_SECONDS
        is_wrong = ~is_there if self._codec not in _SKIPPED else np.zeros(seconds.size, np.bool_)
        if self._codec in _COMPARED:
            looks, expected = np.fromiter(shown.values(), np.int64), np.asarray(self._prints[places], np.int64)
            is_wrong |= is_there & (looks[nearest] != expected)
        return np.asarray(is_wrong)

    def _parts(self, pixels: int) -> list[tuple[int, int]]:
        """Return (first, last) places of the parts to decode again, from a frame stored whole to a doubtful frame.

        Args:
            pixels: Pixels of a frame.
        """
        left = max(_MOST_PIXELS // max(1, pixels), int(_MOST_SHARE * len(self._seconds)))
        offers = [(-np.inf, start, start) for start in self._starts[:1]]
        for num_changed, index in self._jumps:
            number = bisect_right(self._starts, index) - 1
            if number < 0:
                continue
            start = self._starts[number]
            offers.append((-num_changed / (index - start + 1), start, index))
            if index == start and number:  # damage of the frames before ends here
                offers.append((-num_changed / 2, self._starts[number - 1], self._starts[number - 1]))
        last: dict[int, int] = {}
        for _, start, index in sorted(offers):
            cost = index + 1 - (last[start] + 1 if start in last else start)
            if 0 < cost <= left:
                left -= cost
                last[start] = index
        return sorted(last.items())


def is_broken_off(levels: Image, before: Image, after: Image) -> bool:
    """Return whether a picture that is coded alone breaks off, from some block to the end of its row or of the picture.

    There it differs from both of its neighbours, which agree, while the rest looks as in these. A flash or another
    object has other borders.

    Args:
        levels: Means of Y, Cb and Cr of the picture's cells, 8 bit, 3 x cells by rows of CELL_SIZE.
        before: The same of the frame before.
        after: The same of the frame after.
    """
    shape = CELL_SIZE[1], CELL_SIZE[0]
    moved = cv2.absdiff(before, after).max(axis=0).reshape(shape)
    if (moved > _CALM_LEVELS).mean() > _MOST_RESTLESS_SHARE:
        return False
    difference = np.minimum(cv2.absdiff(levels, before), cv2.absdiff(levels, after)).max(axis=0).reshape(shape)
    is_off = (difference > _BROKEN_LEVELS) & (moved <= _CALM_LEVELS)
    rows = np.flatnonzero(is_off.sum(axis=1) >= _LEAST_ROW_CELLS)
    if is_off.sum() < _LEAST_BROKEN_CELLS or not rows.size:
        return False
    first, last, num_rows = int(rows[0]), int(rows[-1]), len(is_off)
    if last - first + 1 > _BAND_ROWS and (last < num_rows - 1 or not first):
        return False
    outside = np.ones(num_rows, np.bool_)
    outside[max(0, first - 1) : last + 2] = False  # a row of blocks ends inside a row of cells
    if is_off[outside].any():
        return False
    filled = is_off[first : last + 1].any(axis=0)
    start, end = int(np.argmax(filled)), int(np.flatnonzero(filled)[-1])
    if end < filled.size - 2 or filled[start:].mean() < _LEAST_RUN_SHARE:
        return False
    is_other = ~is_off
    is_other[first : last + 1] = False
    others = difference[is_other]
    return not others.size or bool((others > _CALM_LEVELS).mean() <= _MOST_OTHER_SHARE)


class CheckedReader(WrappedReader):
    """A FrameReader that also marks the frames at `damaged_seconds`, and those predicted from them, as damaged."""

    def __init__(self, reader: FrameReader, damaged_seconds: Sequence[float]) -> None:
        super().__init__(reader)
        self._seconds = damaged_seconds
        self._num_found = 0

    @property
    def num_damaged(self) -> int:
        """Return how often damage was found until now, by either decoder."""
        return self._reader.num_damaged + self._num_found

    def frames(self) -> Iterator[Picture]:
        """Yield the frames once, in order, with the damage that either decoder found."""
        damage, was_damaged = Damage(), False
        for picture in self._reader.frames():
            time = picture.time_seconds
            num_reported = bisect_right(self._seconds, time + _SAME_SECONDS)
            is_damaged = damage.shows(time, num_reported=num_reported, is_whole=picture.is_whole)
            self._num_found += is_damaged and not was_damaged and not picture.is_damaged
            was_damaged = is_damaged
            if is_damaged or picture.is_damaged:
                picture = cast(Picture, replace(cast(Any, picture), is_damaged=True))
            yield picture


def damaged_spans(seconds: Sequence[float], whole_frames: Sequence[float]) -> list[Span]:
    """Return the parts that the frames at `seconds` damage, each to the next frame that is stored whole.

    Args:
        seconds: Times of damaged frames, rising.
        whole_frames: Times of the frames that the codec stored whole, rising.
    """
    ends = [*whole_frames, float("inf")]
    return [
        (time, min(ends[bisect_right(whole_frames, time + _SAME_SECONDS)], time + HEALED_SECONDS)) for time in seconds
    ]


def with_parts(decode: DecodeSummary, seconds: Sequence[float]) -> DecodeSummary:
    """Return `decode` with a notice of the damaged parts at these rising times, unless it already has such a notice."""
    if not seconds or any(notice.key == "damaged_frames" for notice in decode.notices):
        return decode
    num_parts = 1 + sum(after - before > _APART_SECONDS for before, after in pairwise(seconds))
    return replace(decode, notices=(*decode.notices, Notice("damaged_frames", {"count": num_parts})))


class _Second(OpenedFile):
    """The second decoder of a file. Raises the errors of AvReader."""

    def __init__(self, video: VideoInfo) -> None:
        self._video = video
        self._container, self._stream = open_video(video.path)
        self._presentation = presentation_of(video.path, self._container, self._stream)
        self._context = _context(video.codec, self._stream)

    def close(self) -> None:
        self._container.close()

    def all(self) -> _Shown:
        """Decode the whole file."""
        shown: _Shown = {}
        for packet in demuxed(self._container, self._stream):
            shown |= self._decode(packet) or {}
        return dict(sorted(shown.items()))

    def between(self, start_seconds: float, last_seconds: float) -> _Shown | None:
        """Decode from the frame stored whole at `start_seconds` to `last_seconds`, or to the first error.

        Return None if that frame can't be sought to.
        """
        unit, begins = self._stream.time_base or 1, self._video.start_seconds
        self._container.seek(round((start_seconds + begins) / unit), stream=self._stream)
        if self._context is not None:
            self._context.flush_buffers()
        packets = demuxed(self._container, self._stream)
        first = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
        if first is None or first.pts is None:
            return None
        if abs(float(first.pts * unit) - begins - start_seconds) > _SAME_SECONDS:
            return None
        shown: _Shown = {}
        for packet in chain([first], packets):
            decoded = self._decode(packet)
            shown |= decoded or {}
            if decoded is None or (decoded and max(decoded) > last_seconds - _SAME_SECONDS):
                break
        return dict(sorted(shown.items()))

    def _decode(self, packet: Packet[VideoStream]) -> _Shown | None:
        """Decode a packet; return None on an error."""
        move_on()
        if self._context is None:
            return self._jpeg(packet)
        try:
            frames = self._context.decode(packet)
        except av.error.EOFError:
            return {}
        except av.error.FFmpegError:
            return None
        return {
            self._seconds(frame.pts): _print_of(AvPicture(frame, 0, 0.0, 0.0, self._presentation).levels())
            for frame in frames
            if isinstance(frame, VideoFrame) and frame.pts is not None
        }

    def _seconds(self, pts: int) -> float:
        return float(pts * (self._stream.time_base or 1)) - self._video.start_seconds

    def _jpeg(self, packet: Packet[VideoStream]) -> _Shown:
        """Return the picture if libjpeg reads it without a warning, else nothing."""
        if not packet.size or packet.pts is None:
            return {}
        damage.has_damage()
        image = cv2.imdecode(np.frombuffer(bytes(packet), np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        return {} if image is None or damage.has_damage() else {self._seconds(packet.pts): 0}


def _print_of(levels: Image) -> int:
    return zlib.crc32(levels.data)


def _context(codec: str, stream: VideoStream) -> VideoCodecContext | None:
    """Return a decoder that works in another way than AvReader's, or None for libjpeg, which OpenCV calls."""
    context = stream.codec_context
    if codec == "mjpeg":
        return None
    if codec in _LIBVPX:
        other = cast(VideoCodecContext, CodecContext.create(_LIBVPX[codec], "r"))
        other.extradata = context.extradata
        return other
    if codec == "ffv1":
        context.thread_count = 1
    elif codec == "hevc":
        stream.thread_type, context.skip_frame = "SLICE", "NONREF"
        context.thread_count = max(2, context.thread_count)
    else:
        context.options = {"strict": "strict"}
    return context
