"""What this machine does about a job on a cluster: submits it, follows it, and reports how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import EngineError
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.ray_jobs import runner
from framelens.plugins.batch.ray_jobs.client import RayCluster, RayJobState
from framelens.plugins.batch.ray_jobs.driver import main, read_faults
from framelens.plugins.batch.ray_jobs.runner import run_on_ray, stop_on_ray
from framelens.plugins.batch.ray_jobs.task import RayTask, read_ray_task
from framelens.plugins.batch.results import Results, VideoResult
from framelens.plugins.batch.runner import BatchHalted, VideoBegun, VideoEnded

KEYS = ("a", "b", "c")


@dataclass
class FakeCluster:
    """A cluster whose nodes do a step of `work` each time that a job is looked at, until there are no more."""

    address = "http://head:8265"
    work: list[Callable[[RayTask], None]] = field(default_factory=list)
    last: RayJobState = "SUCCEEDED"
    printed: str = ""
    jobs: dict[str, Path] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)

    def latest(self, name: str) -> str | None:
        return next(reversed([one for one in self.jobs if one.startswith(name)]), None)

    def submit(self, name: str, command: str, metadata: dict[str, str]) -> str:
        assert "framelens.plugins.batch.ray_jobs.driver" in command
        job = f"{name}-{len(self.jobs) + 1}"
        self.jobs[job] = Path(metadata["task"])
        return job

    def state(self, job: str) -> RayJobState:
        if job != next(reversed(self.jobs)) or not self.work:
            return self.last
        self.work.pop(0)(read_ray_task(self.jobs[job]))
        return "RUNNING"

    def metadata(self, job: str) -> dict[str, str]:
        return {"task": str(self.jobs[job])}

    def log(self, job: str) -> str:
        return self.printed

    def stop(self, job: str) -> None:
        self.stopped.append(job)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_POLL_SECONDS", 0.0)


def task(folder: Path, task_id: str = "one") -> RayTask:
    videos = tuple(BatchVideo(key, folder / f"{key}.mp4", f"{key}.mp4") for key in KEYS)
    request = AnalysisRequest(Path("x"), use_model=False)
    return RayTask(Batch("one", videos, request, "print", folder=folder / "out"), id=task_id)


def begins(key: str) -> Callable[[RayTask], None]:
    return lambda made: cast(None, made.progress.begin(key))


def ends(key: str) -> Callable[[RayTask], None]:
    def work(made: RayTask) -> None:
        Results(made.batch).save(VideoResult(key, f"{key}.mp4", Path(f"{key}.mp4"), "print", "done"))
        made.progress.end(key)

    return work


def events(made: RayTask, cluster: FakeCluster, followed: list[str] | None = None) -> list[Any]:
    on_followed = (followed if followed is not None else []).append
    cluster_ = cast(RayCluster, cluster)
    return list(run_on_ray(made, cluster_, cancel=threading.Event(), on_followed=on_followed))


def said(found: list[Any]) -> list[tuple[str, str]]:
    return [(type(one).__name__, one.video.key) for one in found if isinstance(one, VideoBegun | VideoEnded)]


def test_events_are_those_of_the_local_runner(tmp_path: Path) -> None:
    cluster = FakeCluster([begins("a"), ends("a"), begins("b"), ends("b"), ends("c")])
    found = events(task(tmp_path), cluster)
    assert said(found) == [
        ("VideoBegun", "a"), ("VideoEnded", "a"), ("VideoBegun", "b"), ("VideoEnded", "b"), ("VideoEnded", "c"),
    ]  # fmt: skip
    again = events(task(tmp_path, "two"), cluster)
    assert [one.was_done for one in again] == [True] * 3
    assert len(cluster.jobs) == 1


def test_a_running_job_is_followed_and_the_rest_submitted(tmp_path: Path) -> None:
    earlier = task(tmp_path, "earlier")
    earlier.save()
    cluster = FakeCluster([ends("a"), ends("b")])
    name = runner.job_name(earlier.batch)
    first = cluster.submit(name, "framelens.plugins.batch.ray_jobs.driver", {"task": str(earlier.path)})
    cluster.work += [lambda made: None]
    followed = list[str]()
    found = events(task(tmp_path), cluster, followed)
    assert followed == [first]
    assert len(cluster.jobs) == 2
    assert {key for _, key in said(found)} == {"a", "b"}
    assert isinstance(found[-1], BatchHalted)


def test_a_failed_video_is_tried_again_while_its_job_is_ending(tmp_path: Path) -> None:
    earlier, failed = task(tmp_path, "earlier"), EngineError("ray_video_lost", name="c.mp4", times=3)
    earlier.save()
    for key in ("a", "b"):
        ends(key)(earlier)
    earlier.progress.begin("c")
    lost = VideoResult("c", "c.mp4", Path("c.mp4"), "print", "failed", failure=Failure.of(failed))
    Results(earlier.batch).save(lost)
    earlier.progress.end("c")
    cluster, followed = FakeCluster([lambda made: None] * 2), list[str]()
    cluster.submit(
        runner.job_name(earlier.batch),
        "framelens.plugins.batch.ray_jobs.driver",
        {"task": str(earlier.path)},
    )

    def submit(name: str, command: str, metadata: dict[str, str]) -> str:
        cluster.work = [ends("c")]
        return FakeCluster.submit(cluster, name, command, metadata)

    cluster.submit = submit  # type: ignore[method-assign]
    found = events(task(tmp_path), cluster, followed)
    assert followed == [] and len(cluster.jobs) == 2
    assert [(one.video.key, one.result.state) for one in found if isinstance(one, VideoEnded)][-1] == ("c", "done")


@pytest.mark.parametrize(
    ("last", "printed", "key"),
    [
        ("FAILED", "Traceback\nFRAMELENS-FAULT {fault}\n", "ray_no_nodes"),
        ("FAILED", "No module named app", "ray_job_failed"),
        ("STOPPED", "", "ray_job_stopped"),
    ],
)
def test_the_reason_of_an_early_end_is_reported(last: RayJobState, printed: str, key: str, tmp_path: Path) -> None:
    fault = '{"kind": "EngineError", "key": "ray_no_nodes", "values": {}}'
    found = events(task(tmp_path), FakeCluster([ends("a")], last, printed.replace("{fault}", fault)))
    assert said(found) == [("VideoEnded", "a")]
    assert isinstance(found[-1], BatchHalted)
    assert found[-1].error.key == key


def test_all_again_waits_for_this_job_and_no_earlier_result(tmp_path: Path) -> None:
    events(task(tmp_path, "earlier"), FakeCluster([ends(key) for key in KEYS]))
    made = replace(task(tmp_path), batch=replace(task(tmp_path).batch, repeats=True))
    found = events(made, FakeCluster([ends(key) for key in KEYS]))
    assert said(found) == [("VideoEnded", key) for key in KEYS]
    assert not any(one.was_done for one in found)


def test_only_a_job_that_runs_is_stopped(tmp_path: Path) -> None:
    made, cluster = task(tmp_path), FakeCluster([lambda made: None] * 2)
    made.save()
    assert not stop_on_ray(made.batch, cast(RayCluster, cluster))
    name = runner.job_name(made.batch)
    job = cluster.submit(name, "framelens.plugins.batch.ray_jobs.driver", {"task": str(made.path)})
    assert stop_on_ray(made.batch, cast(RayCluster, cluster))
    assert cluster.stopped == [job]


def test_an_error_of_the_driver_reaches_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere.json")]) == 1
    (error,) = read_faults(capsys.readouterr().out)
    assert error.key == "ray_task_unreadable"
    assert Failure.of(error).kind == "StorageError"
    assert read_faults("nothing of ours") == []
