from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import get_args

import pytest

from framelens.core.codec import from_json, receive, send, to_json
from framelens.core.domain import Boundary, Notice, Selection, Shot, Strategy
from framelens.core.errors import AppError
from framelens.core.events import KeyframeFound, KeyframesChosen, OpeningChosen, SurveyProgress, VideoEvent
from framelens.video import extractor
from framelens.video.extractor import extract, extract_named
from framelens.video.keyframes.options import ExtractOptions, Opening
from framelens.video.keyframes.strategies import TIMES, FrameTarget, SurveyFacts, SurveyResult, WorkerRequest, thinned
from framelens.video.worker import events_of
from framelens.video.worker_pool import MESSAGES
from tests.kinds import KINDS
from tests.media import moving, with_damage, write_video
from tests.thorough import first_of

SURVEYED = SurveyFacts(0.0, 10.0, (Shot(1, 0.0, 4.0), Shot(2, 4.0, 10.0)), (0.0, 5.0))


def asked(selection: Selection, surveyed: SurveyFacts = SURVEYED, frames: int = 4) -> list[float]:
    return [target.time_seconds for target in TIMES[selection.strategy](selection, surveyed, frames)]


def test_each_strategy_has_its_exact_times() -> None:
    assert {"auto", *TIMES} == set(get_args(Strategy))  # every strategy that can be named exists
    # Each strategy asks for its times.
    assert asked(Selection("uniform")) == [1.25, 3.75, 6.25, 8.75]
    assert asked(Selection("every", every_seconds=4)) == [0, 4, 8]
    assert asked(Selection("scenes")) == [0, 4]
    assert asked(Selection("codec")) == [0, 5]
    assert asked(Selection("times", times_seconds=(7.5, 2, 2, 10, 99))) == [2, 7.5]
    assert asked(Selection("every", every_seconds=0.1))[97] == pytest.approx(9.7, abs=1e-12)  # an interval has no drift


@pytest.mark.parametrize("seconds", [0.03, 1e-9])
def test_an_interval_below_that_of_the_frames_names_each_once(seconds: float) -> None:
    smooth = replace(SURVEYED, num_frames=250, frame_seconds=0.04)
    times = asked(Selection("every", every_seconds=seconds), smooth, 256)
    assert [int(time / 0.04) for time in times] == list(range(250))


def test_a_range_begins_at_its_own_first_frame() -> None:
    clip = SurveyFacts(6.0, 8.0, (Shot(1, 6.0, 8.0),), ())
    assert asked(Selection("uniform"), clip, 2) == [6.5, 7.5]
    assert asked(Selection("every", every_seconds=1.5), clip) == [6, 7.5]


@pytest.mark.parametrize("frames", [1, 2, 5, 9])
def test_too_many_are_thinned_evenly(frames: int) -> None:
    kept = thinned([FrameTarget(float(place), "interval") for place in range(9)], frames)
    times = [target.time_seconds for target in kept]
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


WANTED = [
    (Selection("uniform"), None),
    (Selection("uniform"), Opening(0.4, 2)),
    (Selection("scenes"), None),
    (Selection("codec"), None),
    (Selection("times", times_seconds=(0.0, 0.51, 0.77, 1.11, 1.6, 99.0)), None),
    (Selection("every", every_seconds=0.3), None),
]
SOME = (
    "constant rate",
    "variable rate b-frames",
    "late start ts",
    "edit list b-frames",
    "cut off mkv",
    "cut off, index first",
    "pixels not square",
    "60 a second",
)


class ChildHere:
    """The child's answers without its process, through the same bytes: fifty starts would take a minute."""

    def __init__(self, request: WorkerRequest) -> None:
        self._request = from_json(to_json(request), WorkerRequest)

    def __enter__(self) -> ChildHere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def events(self, _cancel: object = None) -> Iterator[object]:
        for event in events_of(self._request):
            pipe = BytesIO()
            send(pipe, event)
            pipe.seek(0)
            yield receive(pipe, *MESSAGES)


def found(events: Iterator[VideoEvent]) -> list[object]:
    """What matters of the events, and the error that ended them."""
    kept: list[object] = []
    try:
        kept += [event for event in events if not isinstance(event, SurveyProgress | KeyframeFound | OpeningChosen)]
    except AppError as error:
        return [type(error), error.key, error.values]
    return kept


def result_of(path: Path, selection: Selection = Selection()) -> SurveyResult:  # noqa: B008 - frozen
    surveys: list[SurveyResult] = []
    list(extract(path, ExtractOptions(1, selection=selection, read_text=False), on_result=surveys.append))
    (result,) = surveys
    return result


def check(path: Path, wanted: Sequence[tuple[Selection, Opening | None]] = WANTED) -> None:
    result = result_of(path)
    assert result == result_of(path, Selection("scenes"))
    for selection, opening in wanted:
        options = ExtractOptions(5, selection, opening, read_text=False)
        surveyed = found(extract(path, options))
        assert found(extract_named(path, result, options)) == surveyed


@pytest.mark.slow
@pytest.mark.parametrize("name", first_of(SOME, always=4))
def test_what_is_known_serves_for_a_survey(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "DecoderWorker", ChildHere)
    check(KINDS[name].write(tmp_path))


@pytest.mark.slow
def test_it_does_for_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "DecoderWorker", ChildHere)
    images = [image for seed in range(4) for image in moving(30, 320, 192, seed=seed)]
    path = with_damage(write_video(tmp_path / "whole.mp4", images), tmp_path / "damaged.mp4")
    assert result_of(path).decode.notices
    check(path)


@pytest.mark.slow
def test_it_does_through_the_real_child(card_video: Path) -> None:
    check(card_video, [(Selection("uniform"), Opening(0.4, 2)), (Selection("times", times_seconds=(0.51, 1.11)), None)])


@pytest.mark.slow
def test_survey_closer_than_times_need_is_not_reused(tmp_path: Path) -> None:
    """In a very short video the samples hang on how many frames are wanted, and so do the measures."""
    path = write_video(tmp_path / "short.mp4", moving(25))
    surveys: list[SurveyResult] = []
    list(extract(path, ExtractOptions(32, read_text=False), on_result=surveys.append))
    assert surveys == []


@pytest.mark.slow
def test_a_range_reports_nothing_of_the_whole(card_video: Path) -> None:
    surveys: list[SurveyResult] = []
    for strategy in ("auto", "uniform"):
        selection = Selection(strategy, start_seconds=1.0)  # type: ignore[arg-type]
        list(extract(card_video, ExtractOptions(1, selection=selection, read_text=False), on_result=surveys.append))
    assert surveys == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "key"),
    [
        (Selection("codec", start_seconds=1.2, end_seconds=1.6), "range_without_codec_keyframes"),
        (Selection("times", times_seconds=(0.5,), start_seconds=1.0), "range_without_times"),
        (Selection("times", times_seconds=(5.0,), start_seconds=1.0, end_seconds=2.0), "range_without_times"),
        (Selection("times", times_seconds=(99.0,)), "times_without_frames"),
    ],
)
def test_what_a_range_lacks_is_named(card_video: Path, selection: Selection, key: str) -> None:
    with pytest.raises(AppError) as caught:
        list(extract(card_video, ExtractOptions(4, selection=selection, read_text=False)))
    assert caught.value.key == key
    assert caught.value.values.get("start") == (f"{selection.start_seconds:.3f}" if selection.start_seconds else None)


@pytest.mark.slow
def test_times_outside_a_range_are_counted(card_video: Path) -> None:
    selection = Selection("times", times_seconds=(0.5, 1.6, 7.0), start_seconds=1.0, end_seconds=2.0)
    events = list(extract(card_video, ExtractOptions(4, selection=selection, read_text=False)))
    (chosen,) = [event for event in events if isinstance(event, KeyframesChosen)]
    assert [frame.time_seconds for frame in chosen.keyframes] == [1.6]
    expected = Notice("times_outside_range", {"count": 2, "readable": "2.000", "start": "1.000"})
    assert expected in chosen.decode.notices


def test_scenes_begin_after_transitions_without_short_shots() -> None:
    # Scenes begin when the transition is over.
    shots = (Shot(1, 0.0, 4.0), Shot(2, 4.0, 8.0), Shot(3, 8.0, 10.0), Shot(4, 10.0, 10.5), Shot(5, 10.5, 12.0))
    ends = (Boundary(7.6, 8.4, "fade"), Boundary(9.6, 10.4, "wipe"), Boundary(10.5, 10.5, "cut"))
    cuts = (Boundary(3.6, 4.4, "dissolve"), *ends)
    surveyed = SurveyFacts(0.0, 12.0, shots, (), boundaries=cuts)
    assert asked(Selection("scenes"), surveyed, 5) == pytest.approx([0.0, 4.47, 9.0, 10.25, 10.5])
    # Scenes leave out short shots first.
    starts = [0.0, 5.0, 5.2, 9.0, 9.2]
    cut = [Shot(n, a, b) for n, (a, b) in enumerate(zip(starts, [*starts[1:], 12.0], strict=True), 1)]
    surveyed = SurveyFacts(0.0, 12.0, cut, ())
    assert [one.time_seconds for one in TIMES["scenes"](Selection("scenes"), surveyed, 3)] == [0.0, 5.2, 9.2]
    assert len(TIMES["scenes"](Selection("scenes"), surveyed, 5)) == 5
