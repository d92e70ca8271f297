"""A video that was surveyed before is not decoded again; one that is another, or asked otherwise, is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import video
from app.analysis.recall import Recall
from app.domain import FactsMeasured, KeyframesChosen, Noticed, Probed, Selection, SurveyProgress, VideoEvent
from app.errors import InputError
from app.store.surveys import Surveys
from app.video import client
from tests.media import moving, write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", moving(20))


@pytest.fixture
def recall(tmp_path: Path) -> Recall:
    return Recall(Surveys(tmp_path / "surveys"))


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks of all decoding children that are started, in order."""
    tasks: list[str] = []

    class Counted(client.DecodingChild):
        def __init__(self, task: str, path: Path, **options: object) -> None:
            tasks.append(task)
            super().__init__(task, path, **options)

    monkeypatch.setattr(client, "DecodingChild", Counted)
    return tasks


def surveyed(recall: Recall, path: Path, frames: int = 3, **options: object) -> list[VideoEvent]:
    events = recall.extract(path, frames=frames, facts=False, **options)  # type: ignore[arg-type]
    return [event for event in events if isinstance(event, Probed | KeyframesChosen)]


def test_a_second_call_starts_no_decoding_and_gives_the_same(recall: Recall, clip: Path, starts: list[str]) -> None:
    first = surveyed(recall, clip)
    assert starts == ["extract"]
    assert surveyed(recall, clip) == first
    assert starts == ["extract"]


def test_a_copy_under_another_name_is_known_and_named_anew(
    recall: Recall, clip: Path, tmp_path: Path, starts: list[str]
) -> None:
    first = surveyed(recall, clip)
    copy = Path(shutil.copy(clip, tmp_path / "又一份.mp4"))
    probed, chosen = surveyed(recall, copy)
    assert isinstance(probed, Probed) and (probed.video.path, probed.video.name) == (copy, copy.name)
    assert chosen == first[1]
    assert starts == ["extract"]


@pytest.mark.parametrize(
    "options",
    [{"frames": 4}, {"selection": Selection("uniform")}, {"selection": Selection(end_seconds=0.5)}],
    ids=["frames", "strategy", "range"],
)
def test_other_wishes_are_another_survey(
    recall: Recall, clip: Path, starts: list[str], options: dict[str, object]
) -> None:
    surveyed(recall, clip)
    surveyed(recall, clip, **options)  # type: ignore[arg-type]
    assert starts == ["extract", "extract"]


def test_another_video_in_its_place_is_decoded(recall: Recall, clip: Path, starts: list[str]) -> None:
    surveyed(recall, clip)
    write_video(clip, moving(30))
    assert surveyed(recall, clip)[1].decode.frames_decoded == 30  # type: ignore[union-attr]
    assert starts == ["extract", "extract"]


def test_a_changed_program_does_not_trust_what_an_older_one_found(
    recall: Recall, clip: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed(recall, clip)
    monkeypatch.setattr(video, "version", lambda: "another")
    surveyed(recall, clip)
    assert starts == ["extract", "extract"]


def test_a_damaged_survey_is_made_anew(recall: Recall, clip: Path, tmp_path: Path, starts: list[str]) -> None:
    first = surveyed(recall, clip)
    (kept,) = (tmp_path / "surveys").glob("*.survey")
    kept.write_bytes(kept.read_bytes()[:-100])
    assert surveyed(recall, clip) == first
    assert starts == ["extract", "extract"]


def test_facts_are_recalled_too_and_serve_who_wants_none(recall: Recall, clip: Path, starts: list[str]) -> None:
    def whole() -> list[VideoEvent]:
        events = recall.extract(clip, frames=3)
        return [event for event in events if isinstance(event, Probed | KeyframesChosen | FactsMeasured)]

    first = whole()
    assert sum(isinstance(event, FactsMeasured) for event in first) == 3
    assert whole() == first
    assert surveyed(recall, clip) == first[:2]
    assert starts == ["extract"]


def test_a_survey_that_lacked_a_part_is_not_kept(
    recall: Recall, clip: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = video.extract

    def lacking(*given: object, **options: object) -> Iterator[VideoEvent]:
        from app.domain import Notice

        yield from extract(*given, **options)  # type: ignore[arg-type]
        yield Noticed(Notice("text_not_read", {"reason": "x"}))

    monkeypatch.setattr(video, "extract", lacking)
    for _ in range(2):
        list(recall.extract(clip, frames=2))
    assert starts == ["extract", "extract"]


def test_progress_is_not_kept(recall: Recall, clip: Path) -> None:
    list(recall.extract(clip, frames=3, facts=False))
    assert not any(isinstance(event, SurveyProgress) for event in recall.extract(clip, frames=3, facts=False))


@pytest.mark.parametrize("name", ["missing.mp4", ".", "nul\0.mp4"])
def test_what_is_no_file_is_refused_as_ever(recall: Recall, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        list(recall.extract(tmp_path / name, frames=3))
