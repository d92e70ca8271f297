"""Keyframe candidates, and bounded pools of them that are thinned as the video grows.

A candidate keeps its picture as the decoder returned it, which costs no work, until it is chosen or the memory limit
requires a JPEG. The choice itself is made in app.video.keyframes.selector, after the whole video was read.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from app.video.features.frame_signature import Look
from app.video.keyframes.novelty import NewContent
from app.video.readers.base import JPEG_QUALITY, Picture, as_jpeg

_LEAST_SCORE = 0.1
"""Score of a candidate without new content, which still counts for its position in time. Chosen by hand; not tuned."""


@dataclass(eq=False)
class Candidate:
    """A frame that may become a keyframe.

    `opens` is the index of the frame where its shot begins if it is the opening of a shot. `arrival` is the new content
    of the picture and `score` its value when it was read.
    """

    index: int
    time_seconds: float
    look: Look
    opens: int | None = None
    arrival: NewContent | None = field(default=None, repr=False)
    score: float = 0.0
    num_raw_bytes: int = 0
    _picture: Picture | None = field(default=None, repr=False)
    _jpeg: tuple[bytes, int, int] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, picture: Picture, look: Look, opens: int | None = None) -> Candidate:
        """Create the candidate of a decoded picture."""
        return cls(picture.index, picture.time_seconds, look, opens, num_raw_bytes=picture.num_bytes, _picture=picture)

    def jpeg(self, max_side: int) -> tuple[bytes, int, int]:
        """Return (JPEG, width, height); it is encoded once, and the raw picture released."""
        if self._jpeg is None:
            assert self._picture is not None
            self._jpeg = as_jpeg(self._picture.upright(max_side), JPEG_QUALITY)
            self._picture, self.num_raw_bytes = None, 0
        return self._jpeg


class Pool:
    """Pool of at most `capacity` candidates in time order, spread over the time read.

    Candidates with the lowest score and with close neighbours are dropped first. While there are others, none is
    dropped that would leave a gap longer than one of `parts` equal parts of that time.
    """

    def __init__(self, capacity: int, parts: int = 1) -> None:
        self.items: list[Candidate] = []
        self._capacity = max(3, capacity)
        self._parts = parts

    def add(self, candidate: Candidate) -> None:
        """Insert a candidate; drop another one if the pool is full."""
        insort(self.items, candidate, key=lambda item: item.index)
        if len(self.items) > self._capacity:
            del self.items[self._least_missed()]

    def _least_missed(self) -> int:
        """Return the index of the candidate with the lowest score and closest neighbours; the first and last stay."""
        items = self.items
        longest = (items[-1].time_seconds - items[0].time_seconds) / self._parts

        def missed(place: int) -> tuple[bool, float]:
            around = items[place + 1].time_seconds - items[place - 1].time_seconds
            return around > longest, around * (_LEAST_SCORE + items[place].score)

        return min(range(1, len(items) - 1), key=missed)


def keep_within(pools: list[Pool], raw_bytes: int, max_side: int) -> None:
    """Encode the oldest raw pictures as JPEG until all raw ones together take at most `raw_bytes`."""
    raw = [item for pool in pools for item in pool.items if item.num_raw_bytes]
    total = sum(item.num_raw_bytes for item in raw)
    raw.sort(key=lambda item: item.index, reverse=True)
    while total > raw_bytes:
        item = raw.pop()
        total -= item.num_raw_bytes
        item.jpeg(max_side)
