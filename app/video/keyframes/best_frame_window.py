"""From the first frames of a shot to the best one of them: the sharpest, once the picture has settled.

A window opens where a shot may begin and closes when its time is up or the next one may.
"""

from __future__ import annotations

from app.video.features.frame_signature import Look
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import Arrival
from app.video.readers.base import Picture

_BETTER = 1.15
_BRIGHTER = 1.08
_LONGEST_SECONDS = 2.5
_FRESHNESS = (0.8, 0.9)
"""The first frames after a cut may be a blend of both shots, or coarse: they count a little less."""


class Window:
    """Open over [start, until); `best` is the best frame offered so far, `opens` where the shot may begin."""

    def __init__(self, start_seconds: float, length_seconds: float, opens: int) -> None:
        self.opens = opens
        self.best: Candidate | None = None
        self._until = start_seconds + length_seconds
        self._latest = start_seconds + max(length_seconds, _LONGEST_SECONDS)
        self._length = length_seconds
        self._worth = 0.0

    def is_over(self, time_seconds: float) -> bool:
        return self.best is not None and time_seconds >= self._until

    def offer(self, picture: Picture, look: Look, arrival: Arrival) -> None:
        worth = look.quality * self._freshness(picture.index)
        if self.best is not None and worth <= _BETTER * self._worth:
            return
        if self.best is not None and look.brightness > _BRIGHTER * self.best.look.brightness:
            # A picture still rising from black: wait for it.
            self._until = min(self._latest, max(self._until, picture.time_seconds + self._length))
        self.best = Candidate.of(picture, look, self.opens)
        self.best.arrival = arrival
        self._worth = worth

    def _freshness(self, index: int) -> float:
        if not self.opens:  # the first frame of the video follows no cut
            return 1.0
        age = index - self.opens
        return _FRESHNESS[age] if age < len(_FRESHNESS) else 1.0
