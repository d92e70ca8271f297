"""Files that were damaged at random end in a sentence or in frames whose times hold: `make torture` does 10,000."""

from pathlib import Path

import pytest

from benchmarks.mutations import Mutation, mutations, results
from tests.harness import Outcome

_ONCE_WRONG = (777, 1464, 2492, 2946, 3236, 6446, 7174, 7570, 52328, 54456, 54520, 57961, 59195)
"""An index that gives the times of other frames, frames microseconds apart, an earlier frame in place of a damaged
frame, ends before the first frame, damaged keyframes, which are named, and files in which every frame is damaged."""
_SEEDS = [
    pytest.param(_ONCE_WRONG, id="once wrong"),
    pytest.param(range(40), id="40"),
    pytest.param(range(40, 200), id="160 more", marks=pytest.mark.thorough),
]
_MEGABYTES = 300


@pytest.fixture(scope="module", params=_SEEDS)
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Mutation, Outcome]]:
    return list(results(tmp_path_factory.mktemp("mutations"), request.param))


@pytest.mark.slow
def test_nothing_hangs_or_kills_the_decoding_child(judged: list[tuple[Mutation, Outcome]]) -> None:
    assert [str(mutation) for mutation, outcome in judged if outcome.error in ("hung", "crashed")] == []


def test_every_answer_keeps_its_promises(judged: list[tuple[Mutation, Outcome]]) -> None:
    """Times rise and are finite, texts are there, and the picture of a time is the same whichever way it is fetched."""
    assert [(str(mutation), outcome.faults) for mutation, outcome in judged if outcome.faults] == []


def test_damaged_small_files_take_little_memory(judged: list[tuple[Mutation, Outcome]]) -> None:
    assert [str(mutation) for mutation, outcome in judged if outcome.peak_megabytes > _MEGABYTES] == []


def test_most_damage_costs_only_what_it_hits(judged: list[tuple[Mutation, Outcome]]) -> None:
    answered = [outcome for _, outcome in judged if outcome.error is None]
    assert len(answered) > len(judged) / 2
    assert all(outcome.frames_decoded for outcome in answered)


@pytest.mark.slow
def test_a_seed_is_always_the_same_damage(tmp_path: Path) -> None:
    first = [one.job.path.read_bytes() for one in mutations(tmp_path, range(12))]
    assert [one.job.path.read_bytes() for one in mutations(tmp_path, range(12))] == first
    assert len(set(first)) == 12
