"""How many frames the gaps without a frame need, if candidates can fill them."""

from itertools import pairwise

import numpy as np
import pytest

from framelens.video.keyframes.sequence import TemporalGaps


def gaps_of(
    times: list[float],
    end: float,
    *,
    without: tuple[float, ...] = (),
    alike: tuple[int, int] | None = None,
    longest: float = 10.0,
) -> TemporalGaps:
    """Return the gaps of at most 10 s; the candidates of the half-open range `alike` all look the same."""
    places = np.arange(len(times))
    starts, stops = places.copy(), places + 1
    if alike is not None:
        starts[alike[0] : alike[1]], stops[alike[0] : alike[1]] = alike
    usable = np.array([time not in without for time in times])
    return TemporalGaps(np.array(times), end, longest, (starts, stops), usable)


def test_gaps_that_nothing_can_fill_need_nothing() -> None:
    # What is short enough needs nothing.
    gaps = gaps_of([1.0, 5.0, 9.0], 10.0)
    assert not gaps.before().any() and not gaps.between().any() and not gaps.after().any()
    # Gap that no candidate can fill needs nothing.
    gaps = gaps_of([4.0, 30.0], 60.0)
    assert gaps.between()[0, 1] == 0 and gaps.after().tolist() == [1, 0]
    # Unusable candidates are left out.
    assert gaps_of([0.0, 9.0, 12.0], 14.0, without=(9.0,)).between()[0, 2] == 0
    assert gaps_of([0.0, 8.0, 9.0, 18.0], 18.0, without=(9.0,)).between()[0, 3] == 1
    # Still picture is not filled with itself.
    gaps = gaps_of([0.0, 9.0, 18.0, 27.0, 36.0], 36.0, alike=(0, 4))
    assert gaps.between()[0].tolist() == [0, 0, 0, 0, 0]
    assert gaps.after().tolist() == [1, 1, 1, 0, 0]


def test_gaps_count_frames_before_between_and_after() -> None:
    gaps = gaps_of([3.0, 8.0, 15.0, 24.0], 40.0)
    assert gaps.before().tolist() == [0, 0, 1, 2]
    assert gaps.between()[0].tolist() == [0, 0, 1, 2]
    assert gaps.after().tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("seed", range(20))
def test_count_is_the_fewest_frames_that_fill_the_video(seed: int) -> None:
    times = np.sort(np.random.default_rng(seed).uniform(0, 100, 40))
    points = [0.0, *times.tolist(), 100.0]
    longest = max(9.0, max(b - a for a, b in pairwise(points)) + 1e-3)
    gaps = gaps_of(times.tolist(), 100.0, longest=longest)
    fewest, reached = 0, 0.0
    while 100.0 - reached > longest:
        reached = max(time for time in points if time - reached <= longest)
        fewest += 1
    first = int(np.searchsorted(times, longest, side="right")) - 1
    assert 1 + gaps.after()[first] == fewest
