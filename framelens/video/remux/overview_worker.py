"""Worker that asks for bytes of a video and copies its I-frames to a small video; see framelens.video.remux.overview.

The places of the I-frames are in the file's index (MP4, Matroska), so only they and the index are read. Nothing is
decoded: the small video has the same pictures at the same times, and nothing between them.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO, RawIOBase
from itertools import pairwise
from os import SEEK_CUR, SEEK_END, SEEK_SET
from typing import NoReturn

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from framelens.core.errors import VideoError
from framelens.video import limits
from framelens.video.files import printable_path
from framelens.video.readers.base import OPEN_OPTIONS
from framelens.video.readers.pyav import video_stream
from framelens.video.remux.overview import (
    WORKER,
    IframeCopied,
    OverviewEnd,
    OverviewPiece,
    OverviewRequest,
    Ranges,
    Read,
    WantedBytes,
)
from framelens.video.worker import further_requests, serve

_BLOCK_BYTES = 32 << 10
_MOST_BLOCKS = 2048
"""Kept of what was read: 64 MB."""
_MOST_AHEAD = 32
"""Blocks that are read at once where a file is read in order, as in an index: 1 MB."""
_PIECE_BYTES = 1 << 20
_QUEUED_MESSAGES = 4
_SAMPLED = 8
"""I-frames that are read first, evenly over the video, to estimate how many the limit of bytes allows."""
_AT_ONCE = 8
"""I-frames that are asked for together, so that a distant server costs one wait for all of them."""
_FEWEST = 16
_WIDEST_SECONDS = 60.0
"""Mean time between I-frames; with fewer a video isn't seen."""
_INDEXED_SHARE = 0.9
"""Share of the video's length that its index must reach: the index of a fragmented MP4 ends with the first fragment."""
_FORMATS = ("mov,", "matroska,")
_IN_MP4 = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
"""Codecs that browsers and players expect in an MP4; others are put in Matroska, which takes every codec."""
Message = WantedBytes | IframeCopied | OverviewPiece | OverviewEnd


class BlockFile(RawIOBase):
    """File whose bytes are asked for when they are read, in whole blocks.

    Args:
        size_bytes: Its size.
        ask: ask(ranges) returns the bytes of each range [first, end).

    Attributes:
        read_bytes: Bytes that were asked for.
    """

    def __init__(self, size_bytes: int, ask: Read) -> None:
        self._size, self._ask = size_bytes, ask
        self._place = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._in_order = -1, 0
        self.read_bytes = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place and return it."""
        self._place = max(0, offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._size}[whence])
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        limits.move_on()
        first = min(self._place, self._size)
        self._place = end = self._size if size < 0 else min(first + size, self._size)
        numbers = range(first // _BLOCK_BYTES, -(-end // _BLOCK_BYTES))
        self._load(numbers)
        data = b"".join(self._blocks[number] for number in numbers)
        offset = first - numbers.start * _BLOCK_BYTES
        return data[offset : offset + end - first]

    def prepare(self, ranges: Ranges) -> None:
        """Ask at once for the missing blocks of several ranges."""
        runs: list[range] = []
        for first, end in ranges:
            numbers = range(first // _BLOCK_BYTES, -(-min(end, self._size) // _BLOCK_BYTES))
            after = max((run.stop for run in runs), default=0)
            missing = [number for number in numbers if number not in self._blocks and number >= after]
            if missing:
                runs.append(range(missing[0], missing[-1] + 1))
        self._fill(runs)

    def _fill(self, runs: Sequence[range]) -> None:
        """Ask for these blocks."""
        if not runs:
            return
        ranges = [(run.start * _BLOCK_BYTES, min(run.stop * _BLOCK_BYTES, self._size)) for run in runs]
        for run, data in zip(runs, self._ask(ranges), strict=True):
            self.read_bytes += len(data)
            for place, number in enumerate(run):
                self._blocks[number] = data[place * _BLOCK_BYTES : (place + 1) * _BLOCK_BYTES]

    def _load(self, numbers: range) -> None:
        """Ask for the blocks that are missing, and for more if blocks are read in order."""
        missing = [number for number in numbers if number not in self._blocks]
        if not missing:
            return
        while len(self._blocks) > _MOST_BLOCKS:
            self._blocks.popitem(last=False)
        missing = [number for number in numbers if number not in self._blocks]
        self._in_order = self._in_order + 1 if missing[0] == self._next else 0
        ahead = min(_MOST_AHEAD, 1 << max(0, self._in_order - 2))
        num_blocks = -(-self._size // _BLOCK_BYTES)
        self._next = min(max(missing[-1] + 1, missing[0] + ahead), num_blocks)
        self._fill([range(missing[0], self._next)])


def messages_of(request: OverviewRequest) -> Iterator[Message]:
    """Yield the messages of a request. FFmpeg reads in a thread of its own, since it can't wait for an answer here."""
    produced: queue.Queue[Message | BaseException | None] = queue.Queue(_QUEUED_MESSAGES)
    answers = further_requests(list[bytes])

    def ask(ranges: Ranges) -> list[bytes]:
        produced.put(WantedBytes(tuple(ranges)))
        return next(answers)

    def work() -> None:
        try:
            for message in copied(request, BlockFile(request.size_bytes, ask)):
                produced.put(message)
            produced.put(None)
        except BaseException as error:  # noqa: BLE001 - raised below
            produced.put(error)

    threading.Thread(target=work, name="overview", daemon=True).start()
    while (message := produced.get()) is not None:
        if isinstance(message, BaseException):
            raise message
        yield message


def copied(request: OverviewRequest, file: BlockFile) -> Iterator[IframeCopied | OverviewPiece | OverviewEnd]:
    """Yield a small video with I-frames of a file.

    Raises:
        VideoError: The file has no index of enough I-frames, is no video, or its index takes most of the bytes.
    """
    name = printable_path(request.path.name)
    try:
        with av.open(file, "r", options=OPEN_OPTIONS, metadata_errors="replace", buffer_size=_BLOCK_BYTES) as container:
            source = _Source(container, request)
            chosen, before = source.choose(file), file.read_bytes
            packets: list[_TimedPacket] = []
            while chosen:
                if not len(packets) % _AT_ONCE:
                    source.prepare(chosen[:_AT_ONCE], file)
                found = source.packet(chosen.pop(0))
                if found is None or (packets and found.pts <= packets[-1].pts):
                    continue
                packets.append(found)
                each = (file.read_bytes - before) / len(packets)
                if len(chosen) * each > request.most_bytes - file.read_bytes and len(packets) > _FEWEST:
                    chosen = chosen[1::2]  # they are larger than those that were sampled
                yield IframeCopied(len(packets), len(packets) + len(chosen))
            yield from source.written(packets)
    except av.error.FFmpegError as error:
        raise VideoError("overview_format", name=name) from error


@dataclass(frozen=True)
class _Place:
    """An I-frame of the index.

    Attributes:
        seconds: Its time of decoding.
        target: Time for a seek that ends at it: halfway to the next I-frame, in the unit of the stream.
        offset: Its first byte, or the first byte of the part of the file that contains it.
        num_bytes: Its size, 0 if the index doesn't have it.
    """

    seconds: float
    target: int
    offset: int
    num_bytes: int


@dataclass(frozen=True)
class _TimedPacket:
    """An I-frame with its time, in the unit of its stream."""

    pts: int
    packet: Packet[VideoStream]


class _Source:
    """The video stream of an opened file, and the I-frames of its index."""

    def __init__(self, container: InputContainer, request: OverviewRequest) -> None:
        self._container, self._request = container, request
        self._name = printable_path(request.path.name)
        if not container.format.name.startswith(_FORMATS):
            raise VideoError("overview_format", name=self._name)
        self._stream = video_stream(container, request.path)
        limits.check_pixels(self._name, self._stream.width, self._stream.height)
        for other in container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        container.seek(0, stream=self._stream)  # Matroska's index is read by the first seek
        self._unit = self._stream.time_base or Fraction(1, av.time_base)
        self._indexed_seconds, self._longest = 0.0, 0
        self._iframes = self._places()
        self._seconds = self._end()
        self._check()

    def choose(self, file: BlockFile) -> list[_Place]:
        """Return the I-frames to copy, spread evenly, as many as the limits allow; some are read to find out."""
        before = file.read_bytes
        sampled = _evenly(self._iframes[:-1] or self._iframes, _SAMPLED)  # after the last place Matroska is read on
        self.prepare(sampled, file)
        for place in sampled:
            self.packet(place)
        each = max(1.0, (file.read_bytes - before) / len(sampled))
        affordable = int((self._request.most_bytes - file.read_bytes) / each)
        if affordable < min(_FEWEST, len(self._iframes)):
            raise VideoError("overview_share", name=self._name)
        return _evenly(self._iframes, min(affordable, self._request.most_iframes))

    def prepare(self, places: Sequence[_Place], file: BlockFile) -> None:
        """Ask for several I-frames at once; those of unknown size count as the longest plus a block."""
        usual = self._longest + _BLOCK_BYTES
        file.prepare([(place.offset, place.offset + (place.num_bytes or usual)) for place in places])

    def packet(self, place: _Place) -> _TimedPacket | None:
        """Return the I-frame at a place of the index, if it is there."""
        self._container.seek(place.target, stream=self._stream)
        for packet in self._container.demux(self._stream):
            limits.move_on()
            self._longest = max(self._longest, packet.size)
            is_one = packet.size and packet.is_keyframe and packet.pts is not None
            return _TimedPacket(packet.pts or 0, packet) if is_one else None
        return None

    def written(self, packets: Sequence[_TimedPacket]) -> Iterator[OverviewPiece | OverviewEnd]:
        """Yield the small video; each I-frame is shown until the next, the last until the end of the video."""
        if len(packets) < 2:
            raise VideoError("overview_sparse", name=self._name)
        ends = [*(one.pts for one in packets[1:]), max(packets[-1].pts + 1, round(self._seconds / self._unit))]
        durations = [end - one.pts for one, end in zip(packets, ends, strict=True)]
        is_mp4 = self._stream.codec.canonical_name in _IN_MP4
        into = BytesIO()
        with av.open(into, "w", format="mp4" if is_mp4 else "matroska") as container:
            stream = container.add_stream_from_template(self._stream)
            for one, duration in zip(packets, durations, strict=True):
                packet = one.packet
                packet.dts, packet.duration, packet.stream = packet.pts, duration, stream
                container.mux(packet)
        data = into.getbuffer()
        for start in range(0, len(data), _PIECE_BYTES):
            yield OverviewPiece(bytes(data[start : start + _PIECE_BYTES]))
        suffix = ".mp4" if is_mp4 else ".mkv"
        yield OverviewEnd(suffix, len(packets), len(self._iframes), float(max(durations) * self._unit))

    def _places(self) -> list[_Place]:
        """Return the I-frames of the index. A seek to an I-frame's own time may end at the I-frame before."""
        entries = self._stream.index_entries
        whole = [entry for entry in entries if entry.is_keyframe]
        if not whole:
            raise VideoError("overview_format", name=self._name)
        until = [entry.timestamp for entry in whole[1:]]
        until.append(max(whole[-1].timestamp, entries[len(entries) - 1].timestamp))
        self._indexed_seconds = float(until[-1] * self._unit)
        return [
            _Place(float(one.timestamp * self._unit), (one.timestamp + end) // 2, max(0, one.pos), one.size)
            for one, end in zip(whole, until, strict=True)
        ]

    def _end(self) -> float:
        """Return the end of the video on the time axis of the container, as its header says."""
        stream = self._stream
        if stream.duration:
            return float(((stream.start_time or 0) + stream.duration) * self._unit)
        return (self._container.duration or 0) / av.time_base

    def _check(self) -> None:
        """Check that the index covers the video, and that I-frames are near enough to each other."""
        first, indexed = self._iframes[0].seconds, self._indexed_seconds
        if not self._seconds or indexed < _INDEXED_SHARE * self._seconds - _WIDEST_SECONDS:
            raise VideoError("overview_format", name=self._name)
        widest = max((after.seconds - one.seconds for one, after in pairwise(self._iframes)), default=0.0)
        if (self._seconds - first) / len(self._iframes) > _WIDEST_SECONDS or widest > 10 * _WIDEST_SECONDS:
            raise VideoError("overview_sparse", name=self._name)


def _evenly(places: Sequence[_Place], most: int) -> list[_Place]:
    """Return at most `most` of the places, about evenly in time, with the first."""
    if len(places) <= most:
        return list(places)
    step = (places[-1].seconds - places[0].seconds) / most
    chosen, due = [places[0]], places[0].seconds + step
    for place in places[1:]:
        if place.seconds >= due:
            chosen.append(place)
            due = max(due + step, place.seconds + step / 2)
    return chosen


def main() -> NoReturn:
    """Handle a request."""
    serve(OverviewRequest, WORKER, lambda request: [], messages_of)


if __name__ == "__main__":
    main()
