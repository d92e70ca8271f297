"""Which candidates become keyframes."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.domain import Shot
from app.video.features.frame_signature import Look
from app.video.keyframes.candidates import Candidate, Pool
from app.video.keyframes.selector import choose


def look(value: float, brightness: float = 0.5) -> Look:
    """A look that is 3 * |a - b| away from another one of this kind."""
    levels = np.full((3, 576), round(255 * value), np.uint8)
    cells = levels / np.float32(255)
    contrast = 0.01 if brightness < 0.1 else 0.2
    return Look(
        levels, levels, cells, brightness, contrast, 50.0, np.zeros(576, np.float32), np.zeros((90, 160), np.uint8)
    )


def candidate(index: int, value: float, opens: bool = False, brightness: float = 0.5) -> Candidate:
    return Candidate(index, index / 25, look(value, brightness), index if opens else None)


def shots(*starts: float, end: float) -> list[Shot]:
    ends = [*starts[1:], end]
    return [Shot(number, start, stop) for number, (start, stop) in enumerate(zip(starts, ends, strict=True), 1)]


def indices(candidates: list[Candidate], cut: list[Shot], budget: int) -> list[int]:
    choices = choose(candidates, cut, budget)
    assert len(choices) <= budget
    found = [choice.candidate.index for choice in choices]
    assert found == sorted(set(found))
    return found


def changing(count: int, step: int = 5) -> list[Candidate]:
    return [candidate(n * step, n / count, opens=n == 0) for n in range(count)]


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8, 13])
def test_a_steadily_changing_shot_is_covered_evenly(budget: int) -> None:
    found = indices(changing(100), shots(0.0, end=20.0), budget)
    assert len(found) == budget
    assert found[0] == 0
    gaps = np.diff([*found, 500])
    assert gaps.max() <= 2.2 * 500 / budget


def test_distinct_shots_get_one_frame_before_any_second() -> None:
    items = [
        candidate(n, 0.1 if n < 350 else 0.5 if n < 425 else 0.9, opens=n in (0, 350, 425)) for n in range(0, 500, 5)
    ]
    cut = shots(0.0, 14.0, 17.0, end=20.0)
    assert indices(items, cut, 3) == [0, 350, 425]
    assert {0, 350, 425} <= set(indices(items, cut, 6))


def test_momentary_content_is_chosen_before_constant() -> None:
    """A small thing counts by what it is worth, not by how much of the picture it changes."""
    items = [candidate(n, 0.2 + 0.05 * (n // 5 % 2)) for n in range(0, 500, 5)]
    cell_values = [np.zeros(576, np.float32) for _ in items]
    for place, corner in ((23, 100), (61, 200)):
        cell_values[place][corner : corner + 30] = 8.0
        items[place].look.cells[:, corner : corner + 30] = 0.9
        items[place].look.levels[:, corner : corner + 30] = 230
    choices = choose(items, shots(0.0, end=20.0), 4, cell_values=cell_values)
    assert {23 * 5, 61 * 5} <= {choice.candidate.index for choice in choices}


def test_a_still_video_gives_its_first_and_last_frame() -> None:
    items = [candidate(n, 0.5, opens=n == 0) for n in range(0, 250, 5)]
    choices = choose(items, shots(0.0, end=10.0), 8)
    assert [(c.candidate.index, c.reason) for c in choices] == [(0, "first"), (245, "last")]
    assert indices(items, shots(0.0, end=10.0), 1) == [0]


def test_a_still_stretch_is_not_shown_twice() -> None:
    items = [candidate(n, 0.2 if n < 200 else 0.2 + (n - 200) / 100, opens=n == 0) for n in range(0, 250, 5)]
    found = indices(items, shots(0.0, end=10.0), 6)
    assert len(found) == 6
    assert sum(index < 200 for index in found) == 1


def test_what_comes_again_fills_a_stretch_that_nothing_else_can() -> None:
    """Two views take turns: each looks like a chosen one soon, but the rest of the video is not left out for that."""
    items = [candidate(25 * n, 0.2 + 0.5 * (n // 5 % 2), opens=n == 0) for n in range(100)]
    found = indices(items, shots(0.0, end=100.0), 8)
    assert max(np.diff([0, *found, 2500])) <= 1.9 * 2500 / 8


def test_a_stretch_is_filled_where_candidates_are_few() -> None:
    """A frame that tells a little more is no use where it leaves a stretch that the next ones cannot fill."""
    values = dict(zip([0, 7, 18, 31, 37, 50, 56, 90], [5, 2, 1, 3, 4, 6, 0, 7], strict=True))
    items = [candidate(25 * time, value / 10, opens=time == 0) for time, value in values.items()]
    found = indices(items, shots(0.0, end=100.0), 5)
    assert max(np.diff([0, *found, 2500])) <= 1.9 * 2500 / 5


def test_surplus_shots_are_thinned_over_whole_video() -> None:
    items = [candidate(25 * n, (n * 7 % 11) / 11, opens=True) for n in range(40)]
    found = indices(items, shots(*(float(n) for n in range(40)), end=40.0), 8)
    assert len(found) == 8
    assert max(np.diff([*found, 1000])) < 300


def test_black_shots_go_first_when_there_are_too_many() -> None:
    items = [candidate(25 * n, n / 9, opens=True, brightness=0.03 if n in (2, 5) else 0.5) for n in range(9)]
    assert not {50, 125} & set(indices(items, shots(*(float(n) for n in range(9)), end=9.0), 7))


def test_reasons_say_why() -> None:
    items = [candidate(0, 0.1, opens=True), candidate(50, 0.12), candidate(100, 0.6), candidate(150, 0.9, opens=True)]
    choices = choose(items, shots(0.0, 6.0, end=8.0), 4)
    assert [(c.reason, c.shot) for c in choices] == [("first", 1), ("even", 1), ("change", 1), ("shot", 2)]


def test_nothing_gives_nothing() -> None:
    assert choose([], shots(0.0, end=0.0), 8) == []


def test_a_pool_stays_small_and_covers_everything() -> None:
    pool = Pool(20)
    for index in range(5000):
        pool.add(candidate(index, index / 5000))
        assert len(pool.items) <= 20
    found = [item.index for item in pool.items]
    assert found[0] == 0 and found[-1] == 4999
    assert max(np.diff(found)) < 1500


def test_a_pool_keeps_candidates_where_little_is_reported() -> None:
    """Half of the video tells much and half nothing: of the second half, too, something can be chosen."""
    pool = Pool(40, parts=10)
    for index in range(2000):
        item = candidate(index, index / 2000)
        item.score = 100.0 if index < 1000 else 0.0
        pool.add(item)
    found = [item.index for item in pool.items]
    assert len(found) == 40
    assert max(np.diff(found)) <= 2000 / 10
