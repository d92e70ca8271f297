"""The ceiling that shares are read under is what trying every choice gives."""

from itertools import combinations
from random import Random

import pytest

from benchmarks.keyframes.bound import most_shown


def tried(events: list[tuple[int, int]], frames: int) -> int:
    shown = [{number for number, (first, end) in enumerate(events) if first <= frame < end} for frame in range(24)]
    return max(len(set().union(*choice)) for choice in combinations(shown, frames))


@pytest.mark.parametrize("seed", range(12))
def test_no_choice_of_frames_shows_more(seed: int) -> None:
    random = Random(seed)
    events = []
    for _ in range(random.randint(1, 9)):
        first = random.randrange(20)
        events.append((first, min(24, first + random.randint(1, 6))))
    assert [most_shown(events, frames) for frames in (1, 2, 3)] == [tried(events, frames) for frames in (1, 2, 3)]


def test_enough_frames_show_every_event() -> None:
    assert most_shown([(0, 2), (5, 9), (7, 8), (20, 21)], 64) == 4
