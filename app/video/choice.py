"""From candidates and shots to the keyframes under a budget: deterministic, in time order.

Greedy: again and again the candidate that shows most of what no chosen one shows yet. No stretch of the video stays
without a frame for long: when what is left of the budget is needed for that, only gaps are filled. Frames that look
like a chosen neighbour are left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import Reason, Shot
from app.video.arrivals import Cells
from app.video.candidates import Candidate
from app.video.cover import Cover
from app.video.looks import ALIKE, distance

_CHANGED = 0.08
_NEW_SHOT, _NEW_SHOT_OF_FEW = 1.5, 6.0
"""How much more the opening of a shot counts that no chosen frame shows; the second where each shot can have one."""


@dataclass(frozen=True)
class Choice:
    candidate: Candidate
    reason: Reason
    shot: int


def choose(
    candidates: Sequence[Candidate], shots: Sequence[Shot], budget: int, *, worths: Sequence[Cells] | None = None
) -> list[Choice]:
    """At most `budget` choices, numbered by their order in time. One at least where there is a candidate, and two
    where there are two candidates and the budget allows. `worths` tells what each cell of each candidate is worth."""
    if not candidates:
        return []
    cover = Cover(candidates, worths, end_seconds=shots[-1].end_seconds, budget=budget)
    places = [_shot_of(item, shots) for item in candidates]
    new = _NEW_SHOT_OF_FEW if len(shots) <= budget else _NEW_SHOT
    picked: list[int] = []
    while len(picked) < budget:
        worth = cover.worth(left=budget - len(picked))
        worth *= _unseen_factors(candidates, places, picked, new)
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        picked.append(best)
        cover.add(best, alike=_alike_beside(best, candidates, picked))
    if len(picked) == 1 and budget > 1 and len(candidates) > 1:
        picked = [0, len(candidates) - 1]
    return _explained([candidates[i] for i in sorted(picked)], candidates[-1], shots)


def _unseen_factors(candidates: Sequence[Candidate], places: Sequence[int], picked: Sequence[int], new: float) -> Cells:
    """`new` for the openings of shots that no chosen frame shows, 1 for everything else."""
    seen = {places[i] for i in picked}
    opens = [item.opens is not None and place not in seen for item, place in zip(candidates, places, strict=True)]
    return np.where(opens, np.float32(new), np.float32(1))


def _alike_beside(best: int, candidates: Sequence[Candidate], picked: Sequence[int]) -> list[int]:
    """The candidates around `best`, as far as the next chosen ones, that look like it."""
    start = max((i for i in picked if i < best), default=-1) + 1
    end = min((i for i in picked if i > best), default=len(candidates))
    look = candidates[best].look
    return [i for i in range(start, end) if distance(look, candidates[i].look) <= ALIKE]


def _shot_of(item: Candidate, shots: Sequence[Shot]) -> int:
    return max(1, bisect_right(shots, item.time_seconds, key=lambda shot: shot.start_seconds))


def _explained(picked: Sequence[Candidate], last: Candidate, shots: Sequence[Shot]) -> list[Choice]:
    choices: list[Choice] = []
    for item in picked:
        before = choices[-1] if choices else None
        shot = _shot_of(item, shots)
        choices.append(Choice(item, _reason(item, last, before if before and before.shot == shot else None), shot))
    return choices


def _reason(item: Candidate, last: Candidate, before: Choice | None) -> Reason:
    if item.index == 0:
        return "first"
    if item.opens is not None or before is None:
        return "shot"
    if distance(before.candidate.look, item.look) >= _CHANGED:
        return "change"
    return "last" if item is last else "even"
