"""Pace of a survey: which groups of pictures a fast survey decodes, by their packets and key frames.

Where nothing happens, predicted frames take almost no bytes, and what appears (a slide, a caption, a person who enters)
takes many at once. Such a still group is decoded up to its last outstanding packet and a moment more, or not at all but
for its key frame. All other groups are decoded: in pictures that move or are full of noise something small takes no
more bytes than what is there anyway.

What this module does not do:

- Files whose seeks can't be trusted, or that are interlaced, and ranges: they are read at the full pace.
- Constant bit rates and codecs without prediction: packets say nothing there, so no group is still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Selection, VideoInfo
from framelens.video.features.frame_signature import NUM_CELLS
from framelens.video.keyframes.strategies import is_whole
from framelens.video.readers.ahead import ahead
from framelens.video.readers.base import FrameReader, Image
from framelens.video.readers.packets import PacketTable
from framelens.video.readers.pyav import AvReader
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError

_LONG_SECONDS = 1800.0
"""Length from which a video is surveyed at the fast pace by itself, if most of it is still."""
_MOSTLY_STILL = 0.5
"""Share of a video that is still, from which most of it is."""
_WORTH_SHARE = 0.7
"""Largest share of the packets for which the fast pace pays: it lists the packets and decodes key frames before."""
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


@dataclass(frozen=True)
class Pacing:
    """Frames that a survey decodes.

    Attributes:
        until: See DecodePlan.
        share: Share of the packets that are decoded, key frames included.
    """

    until: dict[int, float]
    share: float


def paced(reader: FrameReader, selection: Selection) -> AvReader | None:
    """Return a reader of the same video that leaves out what a fast survey needn't see, None for the full pace.

    Raises:
        VideoError: The file is not a video any more.
    """
    video, pace = reader.info, selection.pace
    is_long = (video.duration_seconds_from_header or 0.0) >= _LONG_SECONDS
    may_be_fast = pace == "fast" or (pace == "auto" and is_long)
    if reader.name != AvReader.name or not is_whole(selection) or not may_be_fast:
        return None
    pacing = pacing_of(video, least_still=0.0 if pace == "fast" else _MOSTLY_STILL)
    if pacing is None or pacing.share > _WORTH_SHARE:
        return None
    fast = AvReader(video.path, every_frame=False, until=pacing.until)
    fast.decoded_share = pacing.share
    return fast


def pacing_of(video: VideoInfo, least_still: float = 0.0) -> Pacing | None:
    """Return what a fast survey of a video decodes; None if its packets can't say.

    Args:
        video: The video.
        least_still: The share of its frames that are in still groups must be larger.

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
    if not packets.groups:
        return None
    groups = _Groups(packets, unit, video.width * video.height / _MACROBLOCK_PIXELS)
    still = groups.still()
    lengths = np.diff([*groups.begin, len(packets.pts)])
    if lengths[np.array(still, bool)].sum() <= least_still * lengths.sum():
        return None
    levels = _key_levels(video, groups, still)
    edges = 0, len(still) - 1
    until = {
        groups.key(index): groups.last_to_decode(index, levels) if is_still and index not in edges else inf
        for index, is_still in enumerate(still)
    }
    return Pacing(until, groups.decoded_share(until))


class _Groups:
    """Groups of pictures of a video, by its packets."""

    def __init__(self, packets: PacketTable, unit_seconds: float, macroblocks: float) -> None:
        self._unit, self._macroblocks = unit_seconds, macroblocks
        self._pts, self._sizes = np.array(packets.pts, np.int64), np.array(packets.sizes, np.int64)
        self.begin: _Numbers = np.array(packets.groups, np.int64)
        highest = np.maximum.accumulate(self._pts)
        self._rises = np.concatenate([[True], self._pts[1:] > highest[:-1]])
        self._usual_frames = np.max(np.diff([*self.begin, len(self._pts)]))

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
        places = self._predicted(index)
        outstanding = places[self._are_outstanding(self._sizes[places])]
        if self._may_hide(index, outstanding, levels):
            return inf
        if not outstanding.size:
            return self.key(index)
        enough = self._pts[outstanding[-1]] + _SETTLES_SECONDS / self._unit
        later = places[self._pts[places] >= enough]
        return float(self._pts[later[0]]) if later.size else inf

    def _are_outstanding(self, sizes: _Numbers) -> NDArray[np.bool_]:
        padded = np.pad(sizes, _AROUND, mode="reflect" if sizes.size > _AROUND else "edge")
        around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
        return np.asarray(sizes > np.maximum(_OUTSTANDING * around, _LEAST_BYTES * self._macroblocks))

    def _may_hide(self, index: int, outstanding: _Numbers, levels: dict[int, Image]) -> bool:
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
        return int(self._sizes[outstanding].sum()) < needed

    def _has_leading(self, index: int) -> bool:
        """Return whether frames of a group are shown before its key frame: a shot may begin with them."""
        return bool(self._pts[int(self.begin[index]) : self._end(index)].min() < self.key(index))

    def decoded_share(self, until: dict[int, float]) -> float:
        """Return the share of the packets that are decoded."""
        ends = np.array([until[self.key(index)] for index in range(len(self.begin))])
        group_of = np.searchsorted(self.begin, np.arange(len(self._pts)), "right") - 1
        return float((self._pts <= ends[np.maximum(group_of, 0)]).mean())


def _key_levels(video: VideoInfo, groups: _Groups, still: Sequence[bool]) -> dict[int, Image]:
    """Return the levels (see Picture.levels) of the key frames at either end of each still group, by timestamp."""
    needed = [index for index in range(len(still)) if still[index] or (index > 0 and still[index - 1])]
    keys = [groups.key(index) for index in sorted({0, *needed})]
    with AvReader(video.path, until={key: key for key in keys}) as reader:
        return {picture.frame.pts or 0: picture.levels() for picture in ahead(reader.frames())}
