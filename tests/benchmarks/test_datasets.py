"""The adapters for public sets of questions, each over a made example in its format."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table, parquet

from benchmarks.datasets.__main__ import main
from benchmarks.datasets.formats import READERS
from benchmarks.datasets.scores import overlap
from tests.cards import write_card_video
from tests.llm.scripted import Server, serve

pytestmark = pytest.mark.usefixtures("english", "no_text_reading")
CHOICES = ["a red card", "a blue card", "a green card", "a yellow card"]


def behave(body: dict[str, Any]) -> Iterator[str]:
    """Answer with the letter B."""
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema") or {}
    if "B" in schema.get("enum", ()):
        yield '"B"'
    else:
        yield "x"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve(behave) as server:
        monkeypatch.setenv("FRAMELENS_BASE_URL", server.base_url)
        yield server


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_card_video(folder / "cards_60.0_210.0.mp4", ["red", "red", "blue", "blue", "green"])
    return folder


def long_video_bench(folder: Path) -> Path:
    common = {
        "video_id": "cards", "video_path": "cards_60.0_210.0.mp4", "subtitle_path": "cards_en.json", "duration": 5.0,
        "duration_group": 15, "starting_timestamp_for_subtitles": 0, "topic_category": "MV", "candidates": CHOICES,
    }  # fmt: skip
    rows = [
        {**common, "id": "0", "question": "What follows red?", "correct_choice": 1, "question_category": "E2O"},
        {**common, "id": "1", "question": "What is last?", "correct_choice": 2, "question_category": "T3O"},
        {**common, "id": "2", "question": "What?", "correct_choice": 0, "question_category": "T3O", "video_path": "no"},
    ]
    path = folder / "lvb_val.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def video_mme(folder: Path) -> Path:
    options = [f"{letter}. {choice}" for letter, choice in zip("ABCD", CHOICES, strict=True)]
    common = {"videoID": "cards_60.0_210.0", "duration": "short", "options": options}
    rows = [
        {**common, "question_id": "001-1", "task_type": "Counting Problem", "question": "Which?", "answer": "B"},
        {**common, "question_id": "001-2", "task_type": "OCR Problems", "question": "Who?", "answer": "A"},
    ]
    path = folder / "test-00000-of-00001.parquet"
    parquet.write_table(Table.from_pylist(rows), path)
    return path


def timelens(folder: Path) -> Path:
    one = {"duration": 5.0, "queries": [" a blue card\n is shown.", "a blue card"], "spans": [[2.0, 4.0], [1.0, 3.0]]}
    path = folder / "qvhighlights-timelens.json"
    path.write_text(json.dumps({"cards_60.0_210.0": one}), encoding="utf-8")
    return path


def scores(name: str, path: Path, videos: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    words = [name, "--annotations", str(path), "--videos", str(videos), "--out", str(out), "--frames", "3", *more]
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_readers_take_questions_choices_and_answers(tmp_path: Path) -> None:
    (first, *_) = READERS["longvideobench"](long_video_bench(tmp_path))
    assert (first.duration, first.task, first.answer, first.choices) == ("up to 15 s", "E2O", "B", tuple(CHOICES))
    (first, *_) = READERS["video-mme"](video_mme(tmp_path))
    assert (first.id, first.answer, first.choices) == ("001-1", "B", tuple(CHOICES))
    first, second = READERS["timelens"](timelens(tmp_path))
    assert (first.question, first.span, second.id) == ("a blue card is shown", (2.0, 4.0), "cards_60.0_210.0#1")
    assert [overlap((0, 2), (1, 3)), overlap((0, 1), (2, 3)), overlap(None, (0, 1))] == [1 / 3, 0.0, 0.0]


@pytest.mark.slow
def test_second_run_continues_with_what_is_left(
    engine: Server, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = video_mme(tmp_path), tmp_path / "out.jsonl"
    assert "1 accuracy 100.0 %" in " ".join(scores("video-mme", path, videos, out, capsys, "--limit", "1")[0].split())
    with out.open("a") as file:
        file.write('{"setup": "cut off')
    scores("video-mme", path, videos, out, capsys)
    asked = len(engine.requests)
    assert "2 accuracy 50.0 %" in " ".join(scores("video-mme", path, videos, out, capsys)[0].split())
    assert len(engine.requests) == asked
