"""From samples a few times a second to the states of the picture: between two arrivals, the moment that shows most.

A state ends when much arrives at once or when it has lasted long; its best sample is a candidate for a keyframe.
What the samples are worth in the end is weighed when the whole video is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.video.features.frame_signature import Blocks, Look, blocks_of
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.novelty import Cells, NewContent, NoveltyTracker
from app.video.keyframes.rarity import RarityModel
from app.video.readers.base import Picture

SAMPLE_SECONDS = 0.115  # eight to nine a second: what lasts 0.3 s is sampled twice or more
_LONGEST_SECONDS = 2.0
_BURST = 0.45  # nearly as much arrives as in the busiest hundredth of the samples
_BETTER = 1.02
_RARE_ENOUGH = 2.0  # e² times rarer than the habitual is wholly unusual
_ARRIVED_BEFORE = 0.02  # what an unusual value counts that did not arrive at once


class StableSegments:
    """`take` every frame that is to be sampled; gives the candidate of the state that has just ended, if one has.

    `latest` is what had arrived at the last sample, for candidates that were found otherwise.
    """

    def __init__(self, *, longest_seconds: float = _LONGEST_SECONDS) -> None:
        self._longest = min(longest_seconds, _LONGEST_SECONDS)
        self._habit = RarityModel()
        self._arrivals = NoveltyTracker()
        self.latest = self._arrivals.latest
        self._best: Candidate | None = None
        self._since = 0.0

    def take(self, picture: Picture, look: Look, *, opens: bool) -> Candidate | None:
        blocks = blocks_of(look)
        self._habit.learn(blocks)
        arrival = self.latest = self._arrivals.push(blocks)
        ended = None
        time = picture.time_seconds
        if self._best is not None and (opens or arrival.burst > _BURST or time - self._since >= self._longest):
            ended, self._best = self._best, None
        score = float(self._cells(blocks, arrival).sum()) * look.quality
        if self._best is None:
            self._since = time
        if self._best is None or score > _BETTER * self._best.score:
            self._best = Candidate.of(picture, look)
            self._best.arrival, self._best.score = arrival, score
        return ended

    def finish(self) -> Candidate | None:
        ended, self._best = self._best, None
        self._habit.settle()
        return ended

    def worths(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """For each candidate, what each cell of it is worth telling, by all that has been seen."""
        return [self._cells(blocks_of(item.look), item.arrival or self.latest) for item in candidates]

    def _cells(self, blocks: Blocks, arrival: NewContent) -> Cells:
        unusual = np.minimum(self._habit.rarity(blocks) / _RARE_ENOUGH, 1)
        return np.asarray(unusual * (self._arrivals.weight(arrival) + _ARRIVED_BEFORE), np.float32)
