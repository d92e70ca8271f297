"""`framelens batch --ray` up to the cluster: what it submits, prints and returns; ray_jobs has the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from framelens.cli.main import main
from framelens.plugins.batch.commands import on_ray as batch_on_ray
from framelens.plugins.batch.ray_jobs import runner
from framelens.plugins.batch.ray_jobs.task import RayTask
from framelens.plugins.batch.results import Results, VideoResult
from tests.cards import write_card_video
from tests.plugins.batch.ray_jobs.test_runner import FakeCluster

Setting = Callable[[FakeCluster], None]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_card_video(tmp_path / "a.mp4", ["red"])


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(runner, "_POLL_SECONDS", 0.0)

    def use(cluster: FakeCluster) -> None:
        monkeypatch.setattr(batch_on_ray, "RayCluster", lambda address: cluster)

    return use


def analyse_all(made: RayTask) -> None:
    results = Results(made.batch)
    for video in made.batch.videos:
        results.save(VideoResult(video.key, video.name, video.path, made.batch.fingerprint, "done"))
        made.progress.end(video.key)


def test_a_batch_on_a_cluster_looks_like_one_here(
    clip: Path, on: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster([analyse_all])
    on(cluster)
    words = ["batch", str(clip), "--output", str(tmp_path / "out"), "--ray", "head", "--no-model", "--language", "en"]
    assert main([*words, "--jobs", "3", "--json"]) == 0
    printed = capsys.readouterr()
    events = [json.loads(line) for line in printed.out.splitlines()]
    assert [one["event"] for one in events] == ["begins", "video", "ended"]
    assert events[-1]["counts"] == {"done": 1}
    assert "Ctrl-C detaches" in printed.err
    (task,) = (tmp_path / "out" / "ray").glob("*.json")
    assert json.loads(task.read_text())["most_actors"] == 3
    assert main([*words, "--stop"]) == 0
    assert "No job is running" in capsys.readouterr().out


def test_a_job_that_fails_is_reported_with_what_it_said(
    clip: Path, on: Setting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on(FakeCluster([], "FAILED", "python: No module named app"))
    words = ["batch", str(clip), "--output", str(tmp_path / "out"), "--ray", "head", "--no-model", "--language", "en"]
    assert main(words) == 4
    assert "No module named app" in capsys.readouterr().err


def test_stop_is_for_a_cluster(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", str(clip), "--stop", "--language", "en"]) == 2
    assert "--ray ADDRESS" in capsys.readouterr().err
