"""Keyframe selection from candidates and shots under a budget: deterministic, in time order.

The algorithm is greedy: it repeatedly takes the candidate with the most new content that no chosen one shows, or
spreads frames evenly where nothing is new; then it exchanges chosen frames for others as long as that shows more. No
gap stays without a frame for long: when the rest of the budget is needed for that, only gaps are filled. Frames that
look like a chosen neighbour are left out, unless nothing else can fill a gap and other pictures lie between.

An exact choice (dynamic programming over time) showed no more on unseen footage (docs/keyframes.md, Footage that was
kept unseen).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core import Reason, Shot
from app.video.features.frame_signature import distance
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.coverage import PLAIN_PICTURE, Coverage, Gains, Which, shot_of
from app.video.keyframes.novelty import Cells

_CHANGED = 0.08  # least `distance` to the previous keyframe for the reason "change". Chosen by hand; not tuned.
_NEW_SHOT, _NEW_SHOT_OF_FEW = 1.5, 6.0
"""Factor of the opening of a shot that no chosen frame shows; the second where each shot can have a frame. Chosen by
hand while variants were compared on the benchmark videos (docs/keyframes.md, Events)."""
_REMOTE = 1e-9
"""Gain of each second from a chosen frame: small enough to decide only between equal candidates."""
# Limits of the work: most exchanges, and most chosen frames considered for each. Chosen by hand; not tuned.
_MOST_EXCHANGES = 40
_MOST_WEIGHED = 16


@dataclass(frozen=True)
class SelectedFrame:
    """Chosen candidate, with the reason of the choice and the number of its shot."""

    candidate: Candidate
    reason: Reason
    shot: int


def choose(
    candidates: Sequence[Candidate],
    shots: Sequence[Shot],
    budget: int,
    *,
    worths: Sequence[Cells] | None = None,
    num_fixed: int = 0,
    continues: bool = False,
) -> list[SelectedFrame]:
    """Return at most `budget` frames in time order.

    There is at least one if there is a candidate, and two if there are two candidates and the budget allows.

    Args:
        candidates: Candidates in time order.
        shots: Shots in time order, at least one.
        budget: Most frames to choose, at least 1.
        worths: Value of each cell of each candidate; None if nothing is known of them.
        num_fixed: Number of first candidates that are chosen already and stay.
        continues: Whether the video continues after the candidates; then the last one is not marked as the last, and
            one frame may be enough.
    """
    if not candidates:
        return []
    choosing = _Choosing(candidates, worths, shots, budget, num_fixed)
    picked = choosing.run()
    if len(picked) == 1 and budget > 1 and len(candidates) > 1 and not continues:
        picked = [0, len(candidates) - 1]
    last = None if continues else candidates[-1]
    return _with_reasons([candidates[i] for i in sorted(picked)], last, shots)


class _Choosing:
    """One run of the algorithm: candidates are added one by one, then exchanged for better ones."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        worths: Sequence[Cells] | None,
        shots: Sequence[Shot],
        budget: int,
        num_fixed: int,
    ) -> None:
        self._cover = cover = Coverage(candidates, worths, shots, budget, num_fixed)
        self._budget = budget
        self._num_fixed = num_fixed
        begins = shots[cover.shots[num_fixed - 1] :] if num_fixed else shots  # the shots that may get a frame
        self._new_shot = _NEW_SHOT_OF_FEW if len(begins) <= budget - num_fixed else _NEW_SHOT
        self._opens = np.array([item.opens is not None for item in candidates])

    def run(self) -> list[int]:
        """Return the indices of the chosen candidates, in the order of the choice."""
        cover = self._cover
        while len(cover.chosen) < self._budget:
            gains = self._next_gains()
            best = int(np.argmax(gains))
            if gains[best] <= 0:
                break
            cover.add(best)
        known = {frozenset(cover.chosen)}
        while len(known) <= _MOST_EXCHANGES and self._exchange():
            if frozenset(cover.chosen) in known:  # gains depend on the other frames: exchanges can form a cycle
                break
            known.add(frozenset(cover.chosen))
        return cover.chosen

    def _next_gains(self) -> Gains:
        cover, left = self._cover, self._budget - len(self._cover.chosen)
        gains = self._gains()
        needed, fills = cover.gaps()
        if needed and (needed >= left or gains.max() <= 0):  # if all look like chosen ones: the most remote
            return np.asarray(np.where(fills, gains + _REMOTE * cover.room(), 0.0))
        return gains if gains.max() > PLAIN_PICTURE else np.asarray(gains * cover.room())

    def _exchange(self) -> bool:
        """Make the best exchange of one chosen frame that opens no gap; return whether there was one.

        Only new content justifies an exchange: a picture that merely looks different must not disturb even spacing.
        """
        cover, best = self._cover, (PLAIN_PICTURE, -1, -1)
        needed, _ = cover.gaps()
        for number in self._least_missed():
            gains = self._gains(number)
            old = cover.chosen[number]
            others, fills = cover.gaps(number)
            gains[[place for place in cover.chosen if place != old]] = 0.0
            allowed = gains if others <= needed else np.where(fills, gains, 0.0)
            new = int(np.argmax(allowed))
            if allowed[new] - gains[old] > best[0]:
                best = (float(allowed[new] - gains[old]), number, new)
        if best[1] >= 0:
            cover.exchange(best[1], best[2])
        return best[1] >= 0

    def _least_missed(self) -> list[int]:
        """Return the numbers of the chosen frames with the lowest gains."""
        numbers = range(self._num_fixed, len(self._cover.chosen))
        own = {number: self._gains(number)[self._cover.chosen[number]] for number in numbers}
        return sorted(numbers, key=lambda number: own[number])[:_MOST_WEIGHED]

    def _gains(self, but: int | None = None) -> Gains:
        return np.asarray(self._cover.gains(but) * np.where(self._is_new(but), self._new_shot, 1.0))

    def _is_new(self, but: int | None = None) -> Which:
        """Return whether each candidate opens a shot that no chosen frame shows."""
        cover = self._cover
        seen = [cover.shots[place] for number, place in enumerate(cover.chosen) if number != but]
        return np.asarray(self._opens & ~np.isin(cover.shots, seen))


def _with_reasons(picked: Sequence[Candidate], last: Candidate | None, shots: Sequence[Shot]) -> list[SelectedFrame]:
    choices: list[SelectedFrame] = []
    for item in picked:
        before = choices[-1] if choices else None
        shot = shot_of(item.time_seconds, shots)
        choices.append(
            SelectedFrame(item, _reason(item, last, before if before and before.shot == shot else None), shot)
        )
    return choices


def _reason(item: Candidate, last: Candidate | None, before: SelectedFrame | None) -> Reason:
    if item.index == 0:
        return "first"
    if before is None:
        return "shot"
    if distance(before.candidate.look, item.look) >= _CHANGED:
        return "change"
    return "last" if item is last else "even"
