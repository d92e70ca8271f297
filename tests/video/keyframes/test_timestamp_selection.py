"""Frames at named times from what is known of a video: the same as with a survey of its own, in every kind of file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType

import pytest

from app.core.domain import KeyframeFound, OpeningChosen, Selection, SurveyProgress, VideoEvent
from app.core.errors import AppError
from app.video import ExtractOptions, Known, Opening, extract, extract_named, extractor
from app.video.protocol import receive, send
from app.video.worker import events_of
from tests.kinds import KINDS
from tests.media import moving, with_damage, write_video

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

    def __init__(self, task: str, path: Path, **options: object) -> None:
        self._request = json.loads(json.dumps({"task": task, "path": str(path), **options}))

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
            yield receive(pipe)


def found(events: Iterator[VideoEvent]) -> list[object]:
    """What matters of the events, and the error that ended them."""
    kept: list[object] = []
    try:
        kept += [one for one in events if not isinstance(one, SurveyProgress | KeyframeFound | OpeningChosen)]
    except AppError as error:
        return [type(error), error.key, error.values]
    return kept


def known_of(path: Path, selection: Selection = Selection()) -> Known:  # noqa: B008 - frozen
    surveys: list[Known] = []
    list(extract(path, ExtractOptions(1, selection=selection, read_text=False), on_known=surveys.append))
    (known,) = surveys
    return known


def check(path: Path, wanted: Sequence[tuple[Selection, Opening | None]] = WANTED) -> None:
    known = known_of(path)
    assert known == known_of(path, Selection("scenes"))
    for selection, opening in wanted:
        options = ExtractOptions(5, selection, opening, read_text=False)
        surveyed = found(extract(path, options))
        assert found(extract_named(path, known, options)) == surveyed


@pytest.mark.parametrize("name", SOME)
def test_what_is_known_serves_for_a_survey(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "DecoderWorker", ChildHere)
    check(KINDS[name].write(tmp_path))


def test_it_does_for_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor, "DecoderWorker", ChildHere)
    images = [image for seed in range(4) for image in moving(30, 320, 192, seed=seed)]
    path = with_damage(write_video(tmp_path / "whole.mp4", images), tmp_path / "damaged.mp4")
    assert known_of(path).decode.notices
    check(path)


def test_it_does_through_the_real_child(card_video: Path) -> None:
    check(card_video, [(Selection("uniform"), Opening(0.4, 2)), (Selection("times", times_seconds=(0.51, 1.11)), None)])


def test_survey_closer_than_times_need_is_not_reused(tmp_path: Path) -> None:
    """In a very short video the samples hang on how many frames are wanted, and so do the measures."""
    path = write_video(tmp_path / "short.mp4", moving(25))
    surveys: list[Known] = []
    list(extract(path, ExtractOptions(32, read_text=False), on_known=surveys.append))
    assert surveys == []


def test_a_range_reports_nothing_of_the_whole(card_video: Path) -> None:
    surveys: list[Known] = []
    for strategy in ("auto", "uniform"):
        selection = Selection(strategy, start_seconds=1.0)  # type: ignore[arg-type]
        list(extract(card_video, ExtractOptions(1, selection=selection, read_text=False), on_known=surveys.append))
    assert surveys == []
