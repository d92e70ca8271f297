"""`framelens analyse VIDEO --plan` tells what an analysis would be like, and starts nothing."""

import json
import os
from pathlib import Path

import pytest

from framelens.store.model_records import TimingStats
from tests.commands import Done, run_command
from tests.media import COLOURS, cards, write_video

ENGINE = '["http://127.0.0.1:9/v1", "Qwen/Qwen2.5-VL-7B-Instruct", {}]'


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("plan") / "cards.mp4", cards(COLOURS, 25))


def run(command: str, *arguments: object, cwd: Path) -> Done:
    return run_command(command, *arguments, environ={"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"}, cwd=cwd)


@pytest.mark.slow
def test_the_plan_is_reported_in_words_and_nothing_is_analysed(video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--plan", "--frames", 200, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first.startswith("200 frames · ") and " parts · " in first and first.endswith("time not known yet")
    assert "known after the first analysis of this kind" in others[-1]
    assert list(tmp_path.glob("*.md")) == []


@pytest.mark.slow
def test_a_plan_for_programs_is_one_object(video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--plan", "--json", "--frames", "fit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["parts"] == 1 and plan["frames"] == plan["held_frames"] > 8
    assert plan["seconds"] is None and not plan["is_exact"]


@pytest.mark.slow
def test_of_an_engine_that_has_answered_before_the_time_is_told(video: Path, tmp_path: Path) -> None:
    paces = TimingStats(Path(os.environ["FRAMELENS_DATA_DIR"]))
    for _ in range(3):
        paces.note(ENGINE, frames=25.0)
    done = run("analyse", video, "--plan", "--language", "zh", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "预计约" in done.stdout and "分钟" in done.stdout


@pytest.mark.slow
def test_keyframes_are_as_many_as_fit_one_request(video: Path, tmp_path: Path) -> None:
    held = json.loads(run("analyse", video, "--plan", "--json", cwd=tmp_path).stdout)["held_frames"]
    done = run("keyframes", video, "--frames", "fit", "--strategy", "uniform", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["keyframes"]) == held


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0", "257", "many"])
def test_a_number_that_cannot_be_is_exit_code_2(number: str, video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--frames", number, "--plan", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
