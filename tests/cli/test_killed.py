"""The app is killed by signal 9 again and again; the same command goes on each time, and comes to the same report."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.endurance import REPOSITORY, differences, said, stored
from tests.analysis.requests.test_orchestrator import asked, introducing
from tests.analysis.test_pipeline import marks_of
from tests.jobs.working import CONTEXT
from tests.llm.scripted import Server, serve
from tests.media import cards, write_video

pytestmark = pytest.mark.usefixtures("no_text_reading")

IN_FLIGHT = 4  # of an engine that doesn't report its cache
FRAMES = 32
_pause = threading.Event()


def slowly(body: dict[str, Any]) -> Iterator[str]:
    """So that there are moments to be killed in."""
    _pause.wait(0.15)
    yield from introducing(body)


def start(server: Server, video: Path, report: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(data))
    command = [
        sys.executable,
        "-m",
        "framelens.cli.main",
        "analyse",
        str(video),
        "--frames",
        str(FRAMES),
        "--strategy",
        "uniform",
    ]
    report.parent.mkdir(parents=True, exist_ok=True)
    with report.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--base-url", server.base_url, "--language", "en", "--output", str(report)],
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
        )


@pytest.mark.slow
def test_kill_at_any_moment_resumes_to_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, kills = random.Random(9), 2
    colours = [draw.choice(["red", "green", "blue", "yellow", "white", "purple"]) for _ in range(40)]
    video = write_video(tmp_path / "clip.mp4", cards(colours, 10), rate=10)
    whole, broken = tmp_path / "whole" / "report.json", tmp_path / "broken" / "report.json"
    with serve(slowly, context=CONTEXT) as server:
        assert start(server, video, whole, tmp_path / "whole-data", monkeypatch).wait() == 0
        every = len(asked(server))
        parts = len(stored(tmp_path / "whole-data"))
        assert parts > kills
        server.requests.clear()
        killed = 0
        for _ in range(kills):
            before = len(asked(server))
            known = set(stored(tmp_path / "broken-data"))
            process = start(server, video, broken, tmp_path / "broken-data", monkeypatch)
            more = draw.randrange(0, 4)
            while len(asked(server)) < before + more and process.poll() is None:
                _pause.wait(0.01)
            _pause.wait(draw.uniform(0, 0.3))
            killed += process.poll() is None
            process.kill()
            process.wait()
            assert not known & {marks[0] for body in asked(server)[before:] if (marks := marks_of(body))}
        assert killed >= kills // 2
        assert start(server, video, broken, tmp_path / "broken-data", monkeypatch).wait() == 0
    assert list(differences(said(whole), said(broken))) == []
    assert len(asked(server)) <= every + killed * IN_FLIGHT


@pytest.mark.thorough
@pytest.mark.slow
def test_two_programs_share_a_folder_with_equal_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "clip.mp4", cards(["red", "green", "blue", "white"] * 4, 10), rate=10)
    reports = [tmp_path / name / "report.json" for name in "ab"]
    with serve(slowly, context=CONTEXT) as server:
        both = [start(server, video, report, tmp_path / "data", monkeypatch) for report in reports]
        assert [process.wait() for process in both] == [0, 0]
    assert list(differences(*map(said, reports))) == []
