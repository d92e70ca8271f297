"""A budget of frames spread over scenes: never more than the budget, every scene once before any twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from benchmarks.keyframes.fill import Scene, even, middles, starts

Spread = Callable[[Sequence[Scene], int], list[float]]
SCENES: list[Scene] = [(0.0, 2.0), (2.0, 3.0), (3.0, 60.0), (60.0, 61.0)]


def test_even_times_are_the_middles_of_equal_parts() -> None:
    assert even(8.0, 4) == [1.0, 3.0, 5.0, 7.0]


@pytest.mark.parametrize("spread", [middles, starts])
@pytest.mark.parametrize("frames", [1, 3, 4, 5, 16])
def test_the_budget_is_used_whole_and_in_order(spread: Spread, frames: int) -> None:
    times = spread(SCENES, frames)
    assert len(times) == frames
    assert times == sorted(times)
    assert all(0 <= time < 61 for time in times)


@pytest.mark.parametrize("spread", [middles, starts])
def test_no_scene_goes_without_a_frame_while_the_budget_lasts(spread: Spread) -> None:
    times = spread(SCENES, 6)
    assert all(any(start <= time < end for time in times) for start, end in SCENES)


def test_what_is_left_goes_to_the_longest_scene() -> None:
    assert middles(SCENES, 6) == [1.0, 2.5, 12.5, 31.5, 50.5, 60.5]


def test_no_scenes_give_no_times() -> None:
    assert middles([], 8) == []
