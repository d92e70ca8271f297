"""How many frames the stretches without one need, and which candidates are such frames."""

from __future__ import annotations

import numpy as np
import pytest

from app.video.keyframes.temporal_gaps import TemporalGaps


def needed(times: list[float], points: list[float], *, without: tuple[float, ...] = ()) -> tuple[int, list[float]]:
    """With stretches of at most 10 s: how many are needed, and the times of those that may be next."""
    gaps = TemporalGaps(np.array(times), 10.0, float("-inf"))
    count, fills = gaps.needed(np.array(points), np.array([time not in without for time in times]))
    return count, [time for time, fill in zip(times, fills, strict=True) if fill]


def test_what_is_short_enough_needs_nothing() -> None:
    assert needed([1.0, 5.0, 9.0], [0.0, 10.0]) == (0, [])


def test_candidate_that_strands_the_next_is_not_counted() -> None:
    """After 3.0 a stretch of 17 s is left, whose middle nobody shows: it would take two more."""
    assert needed([3.0, 8.0, 15.0], [0.0, 20.0]) == (2, [8.0, 15.0])
    assert needed([3.0, 10.0, 15.0], [0.0, 20.0]) == (1, [10.0])


def test_a_hole_among_the_candidates_is_ended_at_its_edges() -> None:
    assert needed([4.0, 30.0], [0.0, 34.0]) == (2, [4.0, 30.0])


def test_those_that_are_no_use_are_counted_without() -> None:
    assert needed([5.0, 10.0, 15.0], [0.0, 20.0], without=(10.0,)) == (2, [5.0, 15.0])
    assert needed([5.0, 10.0, 15.0], [0.0, 20.0], without=(5.0, 10.0, 15.0)) == (0, [])


@pytest.mark.parametrize("seed", range(20))
def test_taking_any_that_fills_leaves_one_less_to_take(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 100, 40))
    gaps = TemporalGaps(times, 9.0, float("-inf"))
    points = np.array([0.0, 47.0, 100.0])
    count, fills = gaps.needed(points, np.ones(40, bool))
    while count:
        for time in times[fills]:
            assert gaps.needed(np.sort([*points, time]), np.ones(40, bool))[0] == count - 1
        points = np.sort([*points, rng.choice(times[fills])])
        count, fills = gaps.needed(points, np.ones(40, bool))
    holes = np.diff([0.0, *times, 100.0]).max()
    assert np.diff(points).max() <= max(9.0, holes) + 1e-5


def test_nothing_is_done_about_what_was_chosen_before() -> None:
    gaps = TemporalGaps(np.array([10.0, 20.0, 30.0, 45.0]), 15.0, fixed_until=30.0)
    count, fills = gaps.needed(np.array([0.0, 30.0, 60.0]), np.ones(4, bool))
    assert (count, fills.tolist()) == (1, [False, False, False, True])


def test_room_is_the_way_to_the_nearer_end() -> None:
    gaps = TemporalGaps(np.array([0.0, 2.0, 9.0]), 10.0, float("-inf"))
    assert gaps.room(np.array([0.0, 10.0])) == pytest.approx([0.0, 2.0, 1.0], abs=1e-5)
