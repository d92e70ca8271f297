"""Groups of pictures of a video, by what their packets say.

Where nothing happens, predicted frames take almost no bytes, and what appears (a slide, a caption, a person who enters)
takes many at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import av.error
import cv2
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framelens.core.domain import VideoInfo
from framelens.video.features.frame_signature import NUM_CELLS
from framelens.video.limits import move_on
from framelens.video.readers.base import Image
from framelens.video.readers.packets import PacketTable, demuxed
from framelens.video.readers.pyav import open_video
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError

_MACROBLOCK_PIXELS = 256
_STILL_BYTES = 0.25
"""Most bytes of the median predicted frame of a still group, for each macroblock. Slides, screens and whiteboards have
0.01 to 0.2, and all footage of people, traffic and nature in the benchmark 0.9 or more (H.264, docs/benchmarks)."""
_STILL_SHARE = 1 / 20
"""Largest median of a still group, as a share of its key frame: at a constant bit rate it is a tenth or more."""
_OUTSTANDING = 3.0
"""Size of an outstanding packet, as a multiple of the median of those around it."""
_AROUND = 8
"""Packets on either side whose median is compared."""
_LEAST_BYTES = 0.1
"""Least bytes of an outstanding packet for each macroblock: less is a pointer or a cursor."""
_SETTLES_SECONDS = 2.5
"""Time that is decoded after an outstanding packet: a page is one after two seconds."""
_LONGEST_SECONDS = 30.0
"""A longer still group is decoded."""
_CHANGED_LEVELS, _CHANGED_CELLS = 6, 3
"""Cells of two key frames that differ by more levels (of 256), and how many of them make the group between worth
decoding: a pointer covers fewer."""
_EXPLAINS = 0.5
"""Share of the bytes of the changed cells in a key frame that outstanding packets must have to be what changed them."""
_Numbers = NDArray[np.int64]


def groups_of(video: VideoInfo) -> Groups | None:
    """Return the groups of a video; None if it has none, is interlaced, or can't be sought in.

    Raises:
        VideoError: The file is not a video any more.
    """
    if video.is_interlaced:
        return None
    try:
        with AccurateSeeker(video) as seeker:
            packets, unit = seeker.packets, seeker.unit_seconds
    except InaccurateSeekError:
        return None
    return _grouped(video, packets, unit)


def _grouped(video: VideoInfo, packets: PacketTable, unit_seconds: float) -> Groups | None:
    macroblocks = video.width * video.height / _MACROBLOCK_PIXELS
    return Groups(packets, unit_seconds, macroblocks) if packets.groups else None


def sampled_groups(video: VideoInfo, number: int) -> Groups | None:
    """Return the groups of pictures at evenly spaced times; None if the file has none, or can't be sought in.

    They say what most of a video is like without a read of the whole file.

    Raises:
        VideoError: The file is not a video any more.
    """
    container, stream = open_video(video.path)
    length, packets = video.duration_seconds_from_header or 0.0, PacketTable()
    unit = float(stream.time_base or 1)
    with container:
        try:
            for sample in range(number):
                seconds = video.start_seconds + (sample + 0.5) / number * length
                container.seek(round(seconds / unit), stream=stream)
                _add_group(packets, demuxed(container, stream), round(_LONGEST_SECONDS / unit))
        except (av.error.FFmpegError, IndexError):  # at the end PyAV fails for a stream that appeared
            return None
    return _grouped(video, packets, unit)


def _add_group(packets: PacketTable, read: Iterable[Packet[VideoStream]], longest: int) -> None:
    """Add the packets of the first whole group that is read, up to `longest` ticks of it."""
    begin: int | None = None
    for packet in read:
        move_on()
        if packet.pts is None or not packet.size or (begin is None and not packet.is_keyframe):
            continue
        if begin is not None and (packet.is_keyframe or packet.pts - begin > longest):
            return
        packets.add(packet.pts, packet.size, begins_group=begin is None)
        begin = packet.pts if begin is None else begin


class Groups:
    """Groups of pictures of a video, by its packets.

    Attributes:
        begin: Index of the packet of each group's key frame.
        lengths: Number of packets of each group.
    """

    def __init__(self, packets: PacketTable, unit_seconds: float, macroblocks: float) -> None:
        self._unit, self._macroblocks = unit_seconds, macroblocks
        self._pts, self._sizes = np.array(packets.pts, np.int64), np.array(packets.sizes, np.int64)
        self.begin: _Numbers = np.array(packets.groups, np.int64)
        self.lengths: _Numbers = np.diff([*self.begin, len(self._pts)])
        highest = np.maximum.accumulate(self._pts)
        self._rises = np.concatenate([[True], self._pts[1:] > highest[:-1]])
        self._usual_frames = self.lengths.max()

    def key(self, index: int) -> int:
        """Return the timestamp of a group's key frame."""
        return int(self._pts[self.begin[index]])

    def _end(self, index: int) -> int:
        return int(self.begin[index + 1]) if index + 1 < len(self.begin) else len(self._pts)

    def _predicted(self, index: int) -> _Numbers:
        """Return the places of a group's frames that are shown later than all before them, but for its key frame."""
        begin = int(self.begin[index])
        return begin + 1 + np.flatnonzero(self._rises[begin + 1 : self._end(index)])

    def still(self) -> list[bool]:
        """Return which groups are still."""
        return [self._is_still(index) for index in range(len(self.begin))]

    def _is_still(self, index: int) -> bool:
        places = self._predicted(index)
        begin = int(self.begin[index])
        seconds = float(self._pts[begin : self._end(index)].max() - self._pts[begin]) * self._unit
        if not places.size or seconds > _LONGEST_SECONDS:
            return False
        median = float(np.median(self._sizes[places]))
        return median <= min(_STILL_BYTES * self._macroblocks, _STILL_SHARE * int(self._sizes[begin]))

    def last_to_decode(self, index: int, levels: dict[int, Image]) -> float:
        """Return the timestamp of the last frame of a still group to decode, inf for all of them."""
        return inf if self._may_hide(index, levels) else self.last_outstanding(index)

    def last_outstanding(self, index: int) -> float:
        """Return the timestamp of the frame of a group at which its last outstanding frame has settled.

        It is inf if that is after the group, and the key frame's if no frame is outstanding.
        """
        outstanding = self._outstanding(index)
        if not outstanding.size:
            return self.key(index)
        places = self._predicted(index)
        enough = self._pts[outstanding[-1]] + _SETTLES_SECONDS / self._unit
        later = places[self._pts[places] >= enough]
        return float(self._pts[later[0]]) if later.size else inf

    def evidence(self, index: int) -> float:
        """Return how far a frame of a group exceeds those around it, as a multiple of their median size."""
        places = self._predicted(index)
        return float((self._sizes[places] / self._around(self._sizes[places])).max(initial=0.0))

    def _outstanding(self, index: int) -> _Numbers:
        places = self._predicted(index)
        sizes = self._sizes[places]
        return places[sizes > _OUTSTANDING * self._around(sizes)]

    def _around(self, sizes: _Numbers) -> NDArray[np.float64]:
        """Return the median of the sizes around each, or what an outstanding packet has at least."""
        if not sizes.size:
            return sizes.astype(np.float64)
        padded = np.pad(sizes, _AROUND, mode="reflect" if sizes.size > _AROUND else "edge")
        around: NDArray[np.float64] = np.median(
            np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1
        )
        return np.maximum(around, _LEAST_BYTES * self._macroblocks / _OUTSTANDING)

    def _may_hide(self, index: int, levels: dict[int, Image]) -> bool:
        """Return whether the next key frame shows what neither outstanding packets nor a cut at it explain."""
        before, after = (levels.get(self.key(number)) for number in (index, index + 1))
        if before is None or after is None:
            return True
        changed = int((cv2.absdiff(before, after).max(axis=0) > _CHANGED_LEVELS).sum())
        if changed < _CHANGED_CELLS:
            return False
        if self._end(index) - int(self.begin[index]) < self._usual_frames - 1:  # the encoder began a group at a cut
            return self._has_leading(index + 1)
        needed = _EXPLAINS * int(self._sizes[self.begin[index + 1]]) * changed / NUM_CELLS
        return int(self._sizes[self._outstanding(index)].sum()) < needed

    def _has_leading(self, index: int) -> bool:
        """Return whether frames of a group are shown before its key frame: a shot may begin with them."""
        return bool(self._pts[int(self.begin[index]) : self._end(index)].min() < self.key(index))

    def decoded_share(self, until: dict[int, float]) -> float:
        """Return the share of the packets that are decoded."""
        ends = np.array([until[self.key(index)] for index in range(len(self.begin))])
        group_of = np.searchsorted(self.begin, np.arange(len(self._pts)), "right") - 1
        return float((self._pts <= ends[np.maximum(group_of, 0)]).mean())
