"""`framelens analyse` chooses frames by the same options as `framelens keyframes`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import COLOURS, cards, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("choice") / "cards.mp4", cards(COLOURS, 25))


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli.main", "analyse", *map(str, arguments), "--no-model", "--json"]
    environ = {**os.environ, "LANG": "C.UTF-8"}
    return subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, encoding="utf-8", timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("options", "times"),
    [
        (["--every", "2", "--start", "1", "--end", "0:06"], [1, 3, 5]),
        (["--at", "0.5,4.2,0:07"], [0.48, 4.2, 7]),
        (["--strategy", "scenes"], list(range(8))),
    ],
)
def test_the_report_is_about_the_frames_that_were_asked_for(
    options: list[str], times: list[float], video: Path, tmp_path: Path
) -> None:
    done = run(video, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [frame["time_seconds"] for frame in report["keyframes"]] == pytest.approx(times)
    told = [notice["key"] for notice in report["notices"]]
    assert told == (["range_only", "no_model"] if "--start" in options else ["no_model"])


@pytest.mark.parametrize(
    "options", [["--strategy", "times"], ["--strategy", "uniform", "--every", "2"], ["--start", "5", "--end", "5"]]
)
def test_wishes_that_do_not_go_together_are_exit_code_2(options: list[str], video: Path, tmp_path: Path) -> None:
    done = run(video, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() and "Traceback" not in done.stderr
    assert done.stdout == ""
