"""Plan of which frames of a file are decoded: of each group of pictures the key frame and those up to a time."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from av.packet import Packet
from av.stream import Stream


class DecodePlan:
    """Frames to decode; call `takes` for every packet, in decoding order.

    A group begins with a key frame after which no frame refers to one before it. What is decoded of it ends with a
    frame that is shown later than all before it, so that nothing that is decoded refers to what isn't.

    Args:
        until: For the timestamp of each such key frame, the timestamp of the last frame to decode, inf for the whole
            group. A key frame that is missing begins no group.
    """

    def __init__(self, until: Mapping[int, float]) -> None:
        self._until = until
        self._key, self._last, self._follows_whole = -inf, inf, True
        self._left_out = False
        self._after_gaps: set[int] = set()

    def takes(self, packet: Packet[Stream]) -> bool:
        """Return whether to decode the frame of a packet."""
        if packet.pts is None:
            return True
        if packet.is_keyframe and packet.pts in self._until:
            if self._left_out:
                self._after_gaps.add(packet.pts)
            self._follows_whole = not self._left_out
            self._key, self._last, self._left_out = packet.pts, self._until[packet.pts], False
            return True
        if packet.pts < self._key:  # shown before the key frame, of which it may refer to frames before
            return self._follows_whole
        is_taken = packet.pts <= self._last
        self._left_out |= not is_taken
        return is_taken

    def ends_gap(self, pts: int | None) -> bool:
        """Return whether a decoded frame is the first after frames that were left out; call it once for each frame."""
        if pts not in self._after_gaps:
            return False
        self._after_gaps.discard(pts)
        return True
