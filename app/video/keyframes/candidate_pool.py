"""From decoded pictures to a bounded set of candidates for keyframes, thinned as the video grows.

A candidate keeps its picture as the decoder gave it, which costs no work, until it is chosen or memory asks for a JPEG.
Nothing is decided here: app.video.keyframes.selector does that when the whole video has been seen.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from app.video.features.frame_signature import Look
from app.video.keyframes.novelty import NewContent
from app.video.readers.base import JPEG_QUALITY, Picture, as_jpeg

_LEAST_SCORE = 0.1
"""What nothing tells of still counts for its place in time."""


@dataclass(eq=False)
class Candidate:
    """A frame that may become a keyframe. `opens` is the frame where its shot was seen to begin, for an opening.

    `arrival` is what had arrived in the picture by then and `score` what that was worth when it was seen.
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
        return cls(picture.index, picture.time_seconds, look, opens, num_raw_bytes=picture.num_bytes, _picture=picture)

    def jpeg(self, max_side: int) -> tuple[bytes, int, int]:
        """(JPEG, width, height); made once, and the raw picture let go."""
        if self._jpeg is None:
            assert self._picture is not None
            self._jpeg = as_jpeg(self._picture.upright(max_side), JPEG_QUALITY)
            self._picture, self.num_raw_bytes = None, 0
        return self._jpeg


class Pool:
    """At most `capacity` candidates in time order, spread over the time seen so far.

    Those that told least when they were seen go first, and those with close neighbours. As long as there are others,
    none goes that would leave more without a candidate than one of `parts` equal parts of that time.
    """

    def __init__(self, capacity: int, parts: int = 1) -> None:
        self.items: list[Candidate] = []
        self._capacity = max(3, capacity)
        self._parts = parts

    def add(self, candidate: Candidate) -> None:
        insort(self.items, candidate, key=lambda item: item.index)
        if len(self.items) > self._capacity:
            del self.items[self._least_missed()]

    def _least_missed(self) -> int:
        """The place of the candidate whose neighbours stand closest around it; the first and last stay."""
        items = self.items
        longest = (items[-1].time_seconds - items[0].time_seconds) / self._parts

        def missed(place: int) -> tuple[bool, float]:
            around = items[place + 1].time_seconds - items[place - 1].time_seconds
            return around > longest, around * (_LEAST_SCORE + items[place].score)

        return min(range(1, len(items) - 1), key=missed)


def keep_within(pools: list[Pool], raw_bytes: int, max_side: int) -> None:
    """Turns the oldest raw pictures into JPEGs until all together cost at most `raw_bytes`."""
    raw = [item for pool in pools for item in pool.items if item.num_raw_bytes]
    total = sum(item.num_raw_bytes for item in raw)
    raw.sort(key=lambda item: item.index, reverse=True)
    while total > raw_bytes:
        item = raw.pop()
        total -= item.num_raw_bytes
        item.jpeg(max_side)
