"""`framelens clip` as a script meets it: what it prints, where the file is, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from framelens.cli import main
from tests.media import cards, write_video


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_video(tmp_path / 'it\'s a "视频".mp4', cards(["red", "green", "blue"], 25))


def run(*words: object) -> int:
    return main.main(["clip", *map(str, words), "--quiet"])


@pytest.mark.slow
def test_clip_is_named_after_its_range(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video, "--from", "0:01", "--to", "2", "--language", "en") == 0
    clip = video.with_name('it\'s a "视频"_00-01.000_00-02.000.mp4')
    assert clip.is_file() and f"{clip.name}: 00:01.000 to 00:02.000, 25 frames" in capsys.readouterr().out
    before = clip.read_bytes()
    assert run(video, "--from", "1", "--to", "2") == 2  # it exists
    assert clip.read_bytes() == before and len([*video.parent.glob("*.mp4")]) == 2
    assert run(video, "--from", "1", "--to", "2", "--overwrite") == 0


@pytest.mark.slow
def test_json_says_what_was_asked_for_and_what_there_is(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (video.parent / "cut").mkdir()
    assert run(video, "--from", "1.5", "--to", "2", "--mode", "fast", "--output", "cut", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document.pop("path")).parent == video.parent / "cut"
    assert document == {
        "mode": "fast",
        "start_seconds": 0.0,
        "end_seconds": 2.0,
        "asked_start_seconds": 1.5,
        "asked_end_seconds": 2.0,
        "num_frames": 50,
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "1", "--output", 'it\'s a "视频".mp4', "--overwrite"], 2, "--output"),
        (["--from", "2", "--to", "1"], 2, "空的"),
        (["--to", "1", "--output", "clip.gif"], 2, ".m4v"),
        (["--to", "1", "--output", "-"], 2, "--output"),
    ],
)
def test_wrong_options_end_in_a_sentence(
    video: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run(video, *words, "--language", "zh") == code
    assert said in capsys.readouterr().err and [one for one in video.parent.iterdir() if one.is_file()] == [video]


def test_missing_video_is_named(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("none.mp4", "--to", "1", "--language", "en") == 3
    assert "none.mp4" in capsys.readouterr().err
