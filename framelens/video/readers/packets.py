"""Information from packets before they are decoded: display order, times, variable rates and disposable frames.

Frames are numbered correctly although some are never decoded. Frames that no other frame depends on don't reach the
decoder, where each would occupy one of its threads for as long as a frame takes.

A predicted frame that takes nearly as many bytes as a frame stored whole shows something new: a shot may begin there,
or with a disposable frame just before it. These are decoded to find out which frame it is.
"""

from __future__ import annotations

import re
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from math import inf
from statistics import median
from typing import Any, TypeVar, cast

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from framelens.video.readers.base import Gap
from framelens.video.readers.joined_files import FirstFile
from framelens.video.readers.outliers import without_outliers

_Stream = TypeVar("_Stream", bound=Stream)
PACKET_SECONDS = 15.0
"""Time limit for a packet; beyond it the file counts as damaged from there. FFmpeg otherwise searches gigabytes of
zeros behind the last packet for another packet, for minutes; a sleeping disk needs up to ten seconds."""

_SHORTEST_DELAY, _USUAL_DELAY = 1, 10
"""Delays of a GIF, in its hundredths of a second: all browsers show a picture with the first or less for the second."""


def demuxed(
    container: InputContainer, *streams: _Stream, outliers: list[float] | None = None
) -> Iterator[Packet[_Stream]]:
    """Yield the packets of streams, or of all, and at the end the empty packets that flush decoders.

    Times that are outliers are corrected, and added to `outliers` in seconds of the container.
    """
    packets = _demux(container, *streams)
    if container.format.name == "gif":
        packets = _as_browsers_show(packets)
    return without_outliers(packets, [] if outliers is None else outliers)


def _demux(container: InputContainer, *streams: _Stream) -> Iterator[Packet[_Stream]]:
    """Yield the packets of streams, or of all, of the first file.

    FFmpeg asks to try again where it finds no packet of a transport stream for long, as in a hole of zeros that a
    broken copy or download leaves; its command does so. In Ogg, the headers of a recording that was joined to another
    come as packets; those of Theora would be damaged frames, and are left out. Of other formats the packets of a file
    that was joined to the first are left out.
    """
    latest, may_repeat_headers = time.monotonic(), container.format.name == "ogg"
    first_file = FirstFile(container)
    while True:
        try:
            for packet in cast(Any, container).demux(*streams):
                if not first_file.has(packet):
                    yield from map(flush_of, streams or container.streams)
                    return
                if not (may_repeat_headers and _is_theora_header(packet)):
                    yield packet
                latest = time.monotonic()
            return
        except av.error.BlockingIOError:
            if time.monotonic() - latest > PACKET_SECONDS:
                raise


def _as_browsers_show(packets: Iterable[Packet[_Stream]]) -> Iterator[Packet[_Stream]]:
    """Yield the packets of a GIF, those that are shown for a hundredth of a second or less for a tenth of one."""
    shift = 0
    for packet in packets:
        if packet.pts is not None and packet.dts is not None:
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            if (packet.duration or 0) <= _SHORTEST_DELAY:
                shift += _USUAL_DELAY - (packet.duration or 0)
                packet.duration = _USUAL_DELAY
        yield packet


def gif_length(container: InputContainer) -> tuple[int, int]:
    """Return the number of pictures of a GIF and for how many ticks they are shown; read all, then seek back."""
    packets = [packet for packet in demuxed(container, *container.streams.video) if packet.pts is not None]
    ends = [(packet.pts or 0) + (packet.duration or 0) for packet in packets]
    container.seek(0)
    return len(ends), max(ends, default=0)


def flush_of(stream: _Stream) -> Packet[_Stream]:
    """Return the empty packet after which a decoder returns the frames that it holds."""
    packet: Packet[Any] = Packet()
    packet.stream = stream
    return packet


def _is_theora_header(packet: Packet[Stream]) -> bool:
    """Return whether a packet is one of the three headers of Theora, whose first bit is 1 (Theora I, 6.1)."""
    context = packet.stream.codec_context
    return context is not None and context.name == "theora" and bytes(packet)[:1] >= b"\x80"


class FramePacing:
    """Distances between successive frames. `push` the time of every frame in order."""

    def __init__(self) -> None:
        self._steps_ms: Counter[int] = Counter()
        self._last: float | None = None

    def push(self, seconds: float) -> None:
        """Add the time of the next frame."""
        if self._last is not None:
            self._steps_ms[round(1000 * (seconds - self._last))] += 1
        self._last = seconds

    def is_variable(self) -> bool:
        """Return whether more than 2 % of the distances, and at least two, differ from the median.

        A distance differs if it is off by more than 2 ms and by more than a tenth.
        """
        if not self._steps_ms:
            return False
        usual = median(self._steps_ms.elements())
        odd = sum(count for step, count in self._steps_ms.items() if abs(step - usual) > max(2, 0.1 * usual))
        return odd >= 2 and odd > 0.02 * self._steps_ms.total()


class DisplayOrder:
    """Display order of the frames of a stream.

    `note` the timestamp of every packet, then get the `place` of each decoded frame, in display order. A decoder
    returns a frame only after the packets of all frames shown before it, so these are known by then.

    A frame stored whole that isn't later than all before it begins another part: recordings were joined that overlap.
    All frames of the part before are shown first.
    """

    def __init__(self, unit_seconds: float) -> None:
        self.pace = FramePacing()
        self._unit = unit_seconds
        self._ahead: list[tuple[int, int]] = []  # (part, timestamp)
        self._part = 0
        self._highest = -inf
        self._starts: deque[int] = deque()  # of the parts that no frame has reached yet
        self._num = 0
        self._is_started = False

    def note(self, pts: int, *, is_whole: bool) -> None:
        """Add the timestamp of a packet, in decoding order."""
        if is_whole and pts <= self._highest:
            self._part += 1
            self._highest = -inf
            self._starts.append(pts)
        self._highest = max(self._highest, pts)
        heappush(self._ahead, (self._part, pts))

    def place(self, pts: int, *, is_whole: bool) -> int:
        """Return the 0-based display index of the frame with this timestamp, higher than the previous frame's."""
        if is_whole and self._starts and self._starts[0] == pts:
            self._starts.popleft()
        reached = (self._part - len(self._starts), pts)
        if not self._is_started:
            # Frames before the first decodable frame are never shown, and not counted.
            self._is_started = True
            while self._ahead and self._ahead[0] < reached:
                heappop(self._ahead)
        before = self._num
        while self._ahead and self._ahead[0] <= reached:
            passed = heappop(self._ahead)
            self.pace.push(passed[1] * self._unit)
            self._num += 1
            if passed == reached:  # another frame may have the same
                break
        self._num = max(self._num, before + 1)
        return self._num - 1

    def ahead(self) -> list[tuple[int, int]]:
        """Return (part, timestamp) of the packets that no frame has reached yet, in display order."""
        return sorted(self._ahead)


class PacketTable:
    """Timestamps and sizes of the packets of a video stream, in decoding order.

    Attributes:
        pts: Timestamps.
        sizes: Bytes.
        groups: Indices of the key frames after which no frame refers to one before them.
    """

    def __init__(self) -> None:
        self.pts, self.sizes, self.groups = array("q"), array("q"), array("q")

    def add(self, pts: int, size: int, *, begins_group: bool) -> None:
        """Add the next packet."""
        if begins_group:
            self.groups.append(len(self.pts))
        self.pts.append(pts)
        self.sizes.append(size)


class DecodePlan:
    """Frames to decode; call `takes` for every packet, in decoding order.

    A group begins with a key frame after which no frame refers to one before it. What is decoded of it ends with a
    frame that is shown later than all before it, so that nothing that is decoded refers to what isn't. All else is left
    out because it is still.

    Args:
        until: For the timestamp of each such key frame, the timestamp of the last frame to decode, inf for the whole
            group. A key frame that is missing begins no group.
    """

    def __init__(self, until: Mapping[int, float]) -> None:
        self._until = until
        self._key, self._last, self._follows_whole = -inf, inf, True
        self._rest: Gap = "still"
        self._gap: Gap = ""
        self._gaps: dict[int, Gap] = {}
        self._num_taken = self._num_packets = 0

    @property
    def decoded_share(self) -> float:
        """Return the share of the packets until now that were decoded."""
        return self._num_taken / max(1, self._num_packets)

    def ending(self, key_pts: int) -> tuple[float, Gap] | None:
        """Return the last frame to decode of the group that a key frame begins, and why the rest is left out.

        -inf leaves out the key frame, too. Return None if the key frame begins no group.
        """
        last = self._until.get(key_pts)
        return None if last is None else (last, "still")

    def takes(self, packet: Packet[Stream]) -> bool:
        """Return whether to decode the frame of a packet."""
        is_taken = self._takes(packet)
        self._num_packets += 1
        self._num_taken += is_taken
        return is_taken

    def _takes(self, packet: Packet[Stream]) -> bool:
        pts = packet.pts
        if pts is None:
            return True
        if packet.is_keyframe and (ending := self.ending(pts)):
            self._follows_whole = not self._gap
            self._key, (self._last, self._rest) = pts, ending
            if is_taken := pts <= self._last:
                self._gaps.update({pts: self._gap} if self._gap else {})
                self._gap = ""
        elif pts < self._key:  # shown before the key frame, of which it may refer to frames before
            return self._follows_whole
        else:
            is_taken = pts <= self._last
        if not is_taken and self._gap != "skipped":
            self._gap = self._rest
        return is_taken

    def gap_before(self, pts: int | None) -> Gap:
        """Return why frames before a decoded frame were left out, "" if none were; call it once for each frame."""
        return "" if pts is None else self._gaps.pop(pts, "")


class DecodingTimes:
    """Presentation times of frames whose container has decoding times alone, from its packets.

    `note` the packets and `begin` when the first frame is returned, then get the `time` of every frame, in display
    order. A
    decoder returns a frame with the packet that completes it. The frame is shown as long after the first frame as that
    packet is after the packet that completed the first frame: an encoder that drops a frame writes nothing, or an empty
    packet, in its place.

    Attributes:
        has_risen: False once a packet's time is not after the previous packet's.
        is_packed: True once a packet of MPEG-4 holds two pictures, as some encoders wrote them into AVI.
    """

    def __init__(self) -> None:
        self.has_risen = True
        self.is_packed = False
        self._start: int | None = None
        self._has_begun = False
        self._latest: int | None = None
        self._delay: int | None = None
        self._time: int | None = None
        self._step = 0

    @property
    def delay(self) -> int:
        """Return by how much frames are returned later than they are shown, in ticks; 0 if unknown."""
        return self._delay or 0

    @property
    def has_start(self) -> bool:
        """Return whether a packet had a time."""
        return self._start is not None

    def note(self, packet: Packet[Stream]) -> None:
        """Read the time of a packet."""
        time = packet.dts if packet.pts is None else packet.pts
        if time is None:
            return
        if not self._has_begun and (self._start is None or packet.is_keyframe):
            self._start = time
        self.has_risen &= self._latest is None or time > self._latest
        self._latest = time
        self.is_packed |= packet.stream.codec_context.name == "mpeg4" and bytes(packet).count(_VOP) > 1

    def begin(self) -> None:
        """Take the packets that were noted for those of the first frame; later packets only show whether times rise."""
        self._has_begun = True

    def time(self, frame: VideoFrame) -> int | None:
        """Return the time of the next frame in ticks, None if unknown; the last frames come after the last packet."""
        before = self._time
        if frame.dts is not None and self._start is not None:
            self._delay = frame.dts - self._start if self._delay is None else self._delay
            self._time = frame.dts - self._delay
            self._step = self._time - before if before is not None else 0
        elif before is not None and self._step:
            self._time = before + self._step
        else:
            return None
        return self._time


class EmptySlots:
    """Slots of an AVI file in which an encoder wrote nothing: the picture before is shown again.

    `note` the packets, in decoding order, then get the `between` of two frames.
    """

    def __init__(self) -> None:
        self._empty: deque[int] = deque(maxlen=_MOST_EMPTY)
        self._latest: int | None = None

    def note(self, packet: Packet[Stream]) -> None:
        """Read the slot of a packet: its decoding time in ticks."""
        if packet.dts is not None:
            self.reach(packet.dts)

    def reach(self, slot: int) -> None:
        """Record that something is in this slot, or that the file ends there."""
        if self._latest is not None and 1 < slot - self._latest <= _MOST_EMPTY:
            self._empty.extend(range(self._latest + 1, slot))
        self._latest = slot

    def between(self, before: int, after: float, delay: int) -> list[int]:
        """Return the empty slots between two frames, shown `delay` slots before they are decoded."""
        while self._empty and self._empty[0] - delay <= before:
            self._empty.popleft()
        slots = []
        while self._empty and self._empty[0] - delay < after:
            slots.append(self._empty.popleft() - delay)
        return slots


_LARGE, _NEARLY_WHOLE = 2.0, 0.3
"""Sizes relative to the median of the predicted frames just before, and to the last frame stored whole. Measured on the
17 cuts in ten real files that don't begin with a frame stored whole: all are covered, and one frame in 28 is taken (one
in six with 1.3)."""
_AROUND = 8
"""Predicted frames whose median size is compared."""
_SLICES, _H264_IDR = range(1, 6), 5
"""Types of H.264 NAL units that hold a slice, and one of an IDR picture."""
_H264_BEFORE, _HEVC_BEFORE = frozenset({6, 9, 12}), frozenset({35, 38, 39})
"""Types of NAL units before a slice that a decoder can miss: messages, delimiters, filler."""
_HEVC_SLICES = range(32)
_HEVC_DISPOSABLE = range(0, 16, 2)
"""Types of HEVC NAL units with slices of pictures that no other of their temporal layer refers to."""
_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_MOST_EMPTY = 10_000
"""Empty slots in a row that are believed, some minutes."""
_VOP = b"\x00\x00\x01\xb6"
"""Start code of a picture in MPEG-4 part 2 (ISO/IEC 14496-2, 6.3.5: vop_start_code)."""
_START = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)


class NalUnits:
    """Reader of the headers of the NAL units in packets of H.264 or HEVC."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        """Start with the `extradata` of the codec, "h264" or "hevc"."""
        self._is_hevc = codec == "hevc"
        head, offset = extradata or b"", 21 if self._is_hevc else 4
        is_record = len(head) > offset and head[0] == 1
        self._length_bytes = (head[offset] & 3) + 1 if is_record else 0
        # Some files have a record of version 0, which FFmpeg reads nevertheless.
        self._is_known = is_record or not head or head.startswith(_START_CODES)

    def is_disposable(self, packet: Packet[Stream]) -> bool:
        """Return whether the first slice says that no other picture refers to it.

        That is False for packets that a decoder should see: those that are cut off or hold parameters, and all of a
        file whose packets are divided in an unknown way.
        """
        for head in self._heads(packet) if self._is_known and not packet.is_corrupt else ():
            if self._is_hevc:
                kind = head >> 1 & 0x3F
                if kind in _HEVC_SLICES:
                    return kind in _HEVC_DISPOSABLE
                if kind not in _HEVC_BEFORE:
                    return False
            else:
                kind = head & 0x1F
                if kind in _SLICES:
                    return not head & 0x60
                if kind not in _H264_BEFORE:
                    return False
        return False

    def is_closed(self, key_frame: Packet[Stream]) -> bool:
        """Return whether no frame after a key frame refers to one before it; for H.264, whether it is an IDR picture.

        The other key frames of HEVC mark the frames that can't be decoded after them.
        """
        return self._is_hevc or not self._is_known or any(head & 0x1F == _H264_IDR for head in self._heads(key_frame))

    def _heads(self, packet: Packet[Stream]) -> Iterator[int]:
        """Yield the first byte of each NAL unit: its type and, in H.264, whether others refer to it."""
        data = memoryview(packet)
        if not self._length_bytes:
            yield from (match[1][0] for match in _START.finditer(data))
            return
        position, heads = 0, []
        while position + self._length_bytes < len(data):
            start = position + self._length_bytes
            heads.append(data[start])
            position = start + int.from_bytes(data[position:start], "big")
        if position == len(data):  # else it is cut off
            yield from heads


class DisposableFrames:
    """Disposable frames of an H.264 stream that are worth decoding. Call `takes` for every packet, in order."""

    def __init__(self, units: NalUnits) -> None:
        self._units = units
        self._latest_pts: int | None = None
        self._sizes: deque[int] = deque(maxlen=_AROUND)
        self._whole_bytes = 0
        self._may_be_new = False

    def takes(self, packet: Packet[Stream]) -> bool:
        """Return whether a packet's frame is disposable and shown before a possibly new picture."""
        if packet.pts is None:
            return False
        if self._latest_pts is None or packet.pts > self._latest_pts:
            self._latest_pts = packet.pts
            self._may_be_new = self._is_new(packet)
            return False
        return self._may_be_new and self._units.is_disposable(packet)

    def _is_new(self, packet: Packet[Stream]) -> bool:
        if packet.is_keyframe:  # the shot begins with it
            self._whole_bytes = packet.size
            return False
        usual = median(self._sizes) if self._sizes else 0.0
        self._sizes.append(packet.size)
        return packet.size > max(_LARGE * usual, _NEARLY_WHOLE * self._whole_bytes)
