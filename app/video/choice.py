"""From candidates and shots to the keyframes under a budget: pure, deterministic, in time order.

One frame for each shot first; what the budget leaves goes to the shots by their length, evenly within each, to where
the picture changed most; frames that look like the one before are left out as long as something else is there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import Reason, Shot
from app.video.candidates import Candidate
from app.video.looks import ALIKE, distance

_CHANGED = 0.08
_NEW = 0.3
_BLACK_WEIGHT = 0.3


@dataclass(frozen=True)
class Choice:
    candidate: Candidate
    reason: Reason
    shot: int


@dataclass(frozen=True)
class _Scene:
    """A shot with its candidates in time order; the first of them opens it."""

    shot: Shot
    items: tuple[Candidate, ...]

    @property
    def seconds(self) -> float:
        return self.shot.end_seconds - self.shot.start_seconds

    @property
    def num_distinct(self) -> int:
        """How many of its candidates differ from the one counted before."""
        count, last = 1, self.items[0]
        for item in self.items[1:]:
            if distance(last.look, item.look) > ALIKE:
                count, last = count + 1, item
        return count


def choose(candidates: Sequence[Candidate], shots: Sequence[Shot], budget: int) -> list[Choice]:
    """At most `budget` choices, numbered by their order in time. One at least where there is a candidate, and two
    where there are two candidates and the budget allows."""
    scenes = _scenes(candidates, shots)
    if len(scenes) > budget:
        picked = [scene.items[0] for scene in _most_telling(scenes, budget)]
    else:
        picked = [item for scene, count in _shares(scenes, budget) for item in _spread(scene, count)]
        _fill(picked, [item for scene in scenes for item in scene.items], budget)
    picked.sort(key=lambda item: item.index)
    if len(picked) == 1 and budget > 1 and len(candidates) > 1:
        other = candidates[-1] if picked[0] is not candidates[-1] else candidates[0]
        picked = sorted([picked[0], other], key=lambda item: item.index)
    return _explained(picked, candidates[-1], shots) if picked else []


def _scenes(candidates: Sequence[Candidate], shots: Sequence[Shot]) -> list[_Scene]:
    groups: dict[int, list[Candidate]] = {}
    for item in candidates:
        groups.setdefault(_shot_of(item, shots), []).append(item)
    scenes = []
    for number, items in groups.items():
        opening = next((item for item in items if item.opens is not None), items[0])
        later = (item for item in items if item.index > opening.index)
        scenes.append(_Scene(shots[number - 1], (opening, *later)))
    return scenes


def _shot_of(item: Candidate, shots: Sequence[Shot]) -> int:
    return max(1, bisect_right(shots, item.time_seconds, key=lambda shot: shot.start_seconds))


def _most_telling(scenes: Sequence[_Scene], budget: int) -> list[_Scene]:
    """`budget` scenes far from each other in time and in looks; long ones before short, black ones last."""
    share = max(1e-6, scenes[-1].shot.end_seconds / budget)
    left = list(scenes)
    nearness = {id(scene): (1.0, 1.0) for scene in left}  # (time, looks) to the nearest chosen one, capped at 1
    chosen = [next((scene for scene in left if not scene.items[0].look.is_black), left[0])]
    while len(chosen) < budget:
        left.remove(chosen[-1])
        latest = chosen[-1].items[0]
        for scene in left:
            time, looks = nearness[id(scene)]
            opening = scene.items[0]
            time = min(time, abs(opening.time_seconds - latest.time_seconds) / share)
            nearness[id(scene)] = time, min(looks, distance(opening.look, latest.look) / _NEW)
        chosen.append(max(left, key=lambda scene: sum(nearness[id(scene)]) * _weight(scene, share)))
    return chosen


def _weight(scene: _Scene, share_seconds: float) -> float:
    light = _BLACK_WEIGHT if scene.items[0].look.is_black else 1.0
    return light * (0.4 + 0.6 * min(1.0, scene.seconds / share_seconds))


def _shares(scenes: Sequence[_Scene], budget: int) -> list[tuple[_Scene, int]]:
    """How many frames each scene gets: one, then by length, as long as it has different ones to offer."""
    counts = [1] * len(scenes)
    limits = [scene.num_distinct for scene in scenes]
    for _ in range(budget - len(scenes)):
        open_places = [place for place, count in enumerate(counts) if count < limits[place]]
        if not open_places:
            break
        counts[max(open_places, key=lambda place: scenes[place].seconds / counts[place])] += 1
    return list(zip(scenes, counts, strict=True))


def _spread(scene: _Scene, count: int) -> list[Candidate]:
    """The opening and up to `count` - 1 frames evenly after it, each where its stretch differs most."""
    picked = [scene.items[0]]
    half = scene.seconds / count / 2
    for place in range(1, count):
        target = scene.shot.start_seconds + 2 * half * place
        near = [item for item in scene.items if abs(item.time_seconds - target) <= half and item not in picked]
        worth = [(_worth(item, picked[-1], abs(item.time_seconds - target) / half), item) for item in near]
        best = max(worth, key=lambda pair: pair[0], default=(0.0, None))
        if best[1] is not None and best[0] > 0:
            picked.append(best[1])
    return picked


def _worth(item: Candidate, before: Candidate, off_target: float) -> float:
    """0 for a picture that looks like the one before; else how new, how near the target and how clear it is."""
    novelty = distance(before.look, item.look)
    if novelty <= ALIKE:
        return 0.0
    return min(1.0, novelty / _NEW) + (1.0 - off_target) + 0.05 * item.look.quality


def _fill(picked: list[Candidate], candidates: Sequence[Candidate], budget: int) -> None:
    """Adds, one by one, the candidate that best fills a gap with something its neighbours do not show."""
    while len(picked) < budget:
        picked.sort(key=lambda item: item.index)
        worth = [(_gap_worth(item, picked), item) for item in candidates if item not in picked]
        best = max(worth, key=lambda pair: pair[0], default=(0.0, None))
        if best[1] is None or best[0] <= 0:
            return
        picked.append(best[1])


def _gap_worth(item: Candidate, picked: Sequence[Candidate]) -> float:
    place = bisect_right(picked, item.index, key=lambda other: other.index)
    neighbours = [*picked[max(0, place - 1) : place], *picked[place : place + 1]]
    novelty = min(distance(item.look, other.look) for other in neighbours)
    gap = min(abs(item.time_seconds - other.time_seconds) for other in neighbours)
    return 0.0 if novelty <= ALIKE else gap * min(1.0, novelty / _NEW)


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
