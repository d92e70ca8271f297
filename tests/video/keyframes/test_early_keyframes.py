"""The beginning of a video is handed on while the rest is still being read, and stays as it was handed on."""

from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from framelens.core.domain import Selection, Shot
from framelens.core.events import FactsMeasured, KeyframesChosen, OpeningChosen, VideoEvent
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions, Opening
from framelens.video.keyframes.selector import choose
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.worker import events_of
from tests.media import moving, textured, write_video
from tests.video.keyframes.test_selector import candidate, shots

T = TypeVar("T")
SHOTS = 9
OPENING = Opening(4.5, 3)
PART = {"start_seconds": 1.0, "end_seconds": 15.0}


@pytest.fixture(scope="module")
def shots_video(folder: Path) -> Path:
    """Nine shots of two seconds, 160x96, 25 frames a second."""
    images = (image for seed in range(SHOTS) for image in moving(50, seed=seed))
    return write_video(folder / "nine_shots.mp4", images)


def extracted(path: Path, selection: Selection, opening: Opening | None, frames: int = 8) -> list[VideoEvent]:
    options = ExtractOptions(frames, selection, opening, read_text=False)
    return list(events_of(WorkerRequest("extract", path, options)))


def of_type(events: list[VideoEvent], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "selection",
    [Selection(), Selection("uniform"), Selection(**PART), Selection("uniform", **PART)],
    ids=["auto", "uniform", "auto in a range", "uniform in a range"],
)
def test_what_was_handed_on_is_what_the_whole_begins_with(shots_video: Path, selection: Selection) -> None:
    events = extracted(shots_video, selection, OPENING)
    (opening,), (whole,) = of_type(events, OpeningChosen), of_type(events, KeyframesChosen)
    number, until = len(opening.keyframes), selection.start_seconds + OPENING.seconds
    assert 2 <= number <= OPENING.frames and len(whole.keyframes) == 8
    assert whole.keyframes[:number] == opening.keyframes
    assert [frame.number for frame in whole.keyframes] == list(range(1, 9))
    assert all(selection.start_seconds <= frame.time_seconds < until for frame in opening.keyframes)
    assert all(frame.time_seconds >= until - 0.04 for frame in whole.keyframes[number:])
    indices = [frame.frame_index for frame in whole.keyframes]
    assert indices == sorted(set(indices))


@pytest.mark.slow
def test_opening_comes_first_and_facts_last(shots_video: Path) -> None:
    events = list(extract(shots_video, ExtractOptions(8, opening=OPENING, read_text=False)))
    kinds = [kind for kind, _ in groupby(type(event) for event in events)]
    assert kinds.index(OpeningChosen) < kinds.index(KeyframesChosen) == len(kinds) - 2
    assert [event.facts.number for event in of_type(events, FactsMeasured)] == list(range(1, 9))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "uniform"])
def test_a_video_that_ends_too_soon_has_no_opening(shots_video: Path, strategy: str) -> None:
    selection = Selection(strategy)  # type: ignore[arg-type]
    with_opening, without = (extracted(shots_video, selection, one) for one in (Opening(16.0, 3), None))
    assert of_type(with_opening, OpeningChosen) == []
    assert of_type(with_opening, KeyframesChosen) == of_type(without, KeyframesChosen)


@pytest.mark.slow
def test_opening_shots_have_frames_and_later_ones_too(shots_video: Path) -> None:
    events = extracted(shots_video, Selection(), Opening(4.0, 2), frames=SHOTS)
    (opening,), (whole,) = of_type(events, OpeningChosen), of_type(events, KeyframesChosen)
    assert [frame.shot for frame in opening.keyframes] == [1, 2]
    assert [frame.shot for frame in whole.keyframes] == list(range(1, SHOTS + 1))


@pytest.mark.slow
def test_a_still_beginning_is_one_frame_and_ends_nothing(folder: Path) -> None:
    path = write_video(folder / "still_start.mp4", [*([textured(1)] * 200), *moving(100, seed=4)])
    (opening,) = of_type(extracted(path, Selection(), OPENING), OpeningChosen)
    assert [frame.reason for frame in opening.keyframes] == ["first"]


@pytest.mark.slow
def test_the_whole_budget_may_go_to_the_opening(shots_video: Path) -> None:
    for strategy in ("auto", "uniform"):
        events = extracted(shots_video, Selection(strategy), OPENING, frames=3)  # type: ignore[arg-type]
        (opening,), (whole,) = of_type(events, OpeningChosen), of_type(events, KeyframesChosen)
        assert len(whole.keyframes) == 3 and whole.keyframes[: len(opening.keyframes)] == opening.keyframes


def test_what_the_opening_shows_is_not_shown_again_without_need() -> None:
    """Two pictures come again later: only what was not yet shown is chosen from the rest."""
    values = [0.1, 0.5, 0.1, 0.5, 0.9, 0.1]
    items = [candidate(100 * n, value, opens=True) for n, value in enumerate(values)]
    cut: list[Shot] = shots(*(4.0 * n for n in range(len(values))), end=24.0)
    cell_values = [np.ones(576, np.float32) for _ in items]
    choices = choose(items, cut, 3, cell_values=cell_values, num_fixed=2)
    assert [choice.candidate.index for choice in choices] == [0, 100, 400]


@pytest.mark.slow
def test_fixed_candidates_stay_whatever_else_there_is() -> None:
    items = [candidate(5 * n, n / 100, opens=n == 0) for n in range(100)]
    whole = shots(0.0, end=20.0)
    for number in (1, 3, 6):
        fixed = [items[n] for n in range(number)]
        found = [choice.candidate for choice in choose([*fixed, *items[50:]], whole, 8, num_fixed=number)]
        assert found[:number] == fixed and number < len(found) <= 8


@pytest.mark.parametrize(
    ("selection", "opening"), [(Selection("scenes"), OPENING), (Selection(), Opening(1.0, 9))], ids=["scenes", "frames"]
)
def test_impossible_openings_are_a_mistake_of_the_caller(
    shots_video: Path, selection: Selection, opening: Opening
) -> None:
    with pytest.raises(ValueError, match="does not go with"):
        next(extract(shots_video, ExtractOptions(8, selection=selection, opening=opening)))


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 1), (float("nan"), 1), (1.0, 0)])
def test_an_opening_has_a_length_and_frames(seconds: float, frames: int) -> None:
    with pytest.raises(ValueError, match="opening"):
        Opening(seconds, frames)
