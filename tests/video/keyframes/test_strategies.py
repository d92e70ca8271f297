from __future__ import annotations

from typing import get_args

import pytest

from app.core.domain import Selection, Shot, Strategy
from app.video.keyframes.strategies import TIMES, SurveyFacts, Wish, thinned

SURVEYED = SurveyFacts(0.0, 10.0, (Shot(1, 0.0, 4.0), Shot(2, 4.0, 10.0)), (0.0, 5.0))


def asked(selection: Selection, surveyed: SurveyFacts = SURVEYED, frames: int = 4) -> list[float]:
    return [wish.time_seconds for wish in TIMES[selection.strategy](selection, surveyed, frames)]


def test_every_strategy_that_can_be_named_exists() -> None:
    assert {"auto", *TIMES} == set(get_args(Strategy))


def test_each_strategy_asks_for_its_times() -> None:
    assert asked(Selection("uniform")) == [1.25, 3.75, 6.25, 8.75]
    assert asked(Selection("every", every_seconds=4)) == [0, 4, 8]
    assert asked(Selection("scenes")) == [0, 4]
    assert asked(Selection("codec")) == [0, 5]
    assert asked(Selection("times", times_seconds=(7.5, 2, 2, 10, 99))) == [2, 7.5]


def test_an_interval_has_no_drift() -> None:
    assert asked(Selection("every", every_seconds=0.1))[97] == pytest.approx(9.7, abs=1e-12)


def test_a_range_begins_at_its_own_first_frame() -> None:
    clip = SurveyFacts(6.0, 8.0, (Shot(1, 6.0, 8.0),), ())
    assert asked(Selection("uniform"), clip, 2) == [6.5, 7.5]
    assert asked(Selection("every", every_seconds=1.5), clip) == [6, 7.5]


@pytest.mark.parametrize("frames", [1, 2, 5, 9])
def test_too_many_are_thinned_evenly(frames: int) -> None:
    kept = thinned([Wish(float(place), "interval") for place in range(9)], frames)
    times = [wish.time_seconds for wish in kept]
    assert len(times) == frames and times == sorted(set(times)) and times[0] == 0
    assert frames == 1 or times[-1] == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "every"},
        {"strategy": "every", "every_seconds": 0.0},
        {"strategy": "auto", "every_seconds": 1.0},
        {"strategy": "times"},
        {"times_seconds": (1.0,)},
        {"strategy": "times", "times_seconds": (-1.0,)},
        {"start_seconds": -1.0},
        {"start_seconds": 3.0, "end_seconds": 3.0},
    ],
)
def test_a_selection_that_makes_no_sense_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\d|None"):
        Selection(**wrong)  # type: ignore[arg-type]
