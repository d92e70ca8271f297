"""Batches as they run on this machine: with real videos, and with an engine that goes away."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_services
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import (
    AppError,
    Cancelled,
    ContextExceeded,
    DecodeError,
    EngineError,
    EngineTimeout,
    ModelNotFound,
    StorageError,
)
from framelens.core.events import Probed, StageStarted
from framelens.plugins.batch.batch import Batch, BatchVideo, collect, make_batch
from framelens.plugins.batch.results import Results, VideoResult
from framelens.plugins.batch.runner import (
    BatchHalted,
    BatchRunner,
    VideoBegun,
    VideoEnded,
    VideoProgress,
    VideoStopped,
    concerns_all,
    run_videos,
)
from framelens.plugins.batch.tally import BatchTally
from framelens.video.files import sha256_of
from framelens.video.inputs import resolve
from tests.cards import write_card_video
from tests.video.conftest import decoding_children

pytestmark = pytest.mark.usefixtures("no_text_reading", "english")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, colours in (("a.mp4", ["red"]), ("b.mp4", ["blue"])):
        write_card_video(folder / name, colours)
    (folder / "broken.mp4").write_text("no video")
    return folder


@contextmanager
def opened(data: Path, **settings: str) -> Iterator[Services]:
    services = open_services(config.load({"FRAMELENS_DATA_DIR": str(data), **settings}, Path("/dev/null")))
    try:
        yield services
    finally:
        services.close()


def made(folder: Path, services: Services, *, use_model: bool = False, **options: Any) -> Batch:
    request = AnalysisRequest(Path("x"), frames=2, use_model=use_model)
    conditions = services.switcher.session.conditions(request)
    options = {"folder": folder.parent / "out", **options}
    return make_batch(collect(resolve([str(folder)]).items, sha256_of), request, conditions, **options)


def runner_of(services: Services) -> BatchRunner:
    return BatchRunner(services.jobs, services.switcher, services.templates)


def ran(batch: Batch, services: Services, workers: int = 2) -> list[Any]:
    return list(runner_of(services).run(batch, workers=workers, cancel=threading.Event()))


def ends(events: list[Any]) -> dict[str, VideoEnded[BatchVideo, VideoResult]]:
    return {one.video.name: one for one in events if isinstance(one, VideoEnded)}


@pytest.mark.slow
def test_each_video_gets_a_result_and_its_reports(clips: Path, tmp_path: Path) -> None:
    out, tally = tmp_path / "out", BatchTally()
    with opened(tmp_path / "data") as services:
        batch = made(clips, services, formats=("html", "srt"))
        events = ran(batch, services)
        for event in events:
            tally.apply(event)
        assert {entry.name for entry in services.jobs.recent()} == {"a.mp4", "b.mp4"}
    found = ends(events)
    assert {name: one.result.state for name, one in found.items()} == {
        "a.mp4": "without_model", "b.mp4": "without_model", "broken.mp4": "failed",
    }  # fmt: skip
    assert found["broken.mp4"].result.error.key == "video_not_a_video"  # type: ignore[union-attr]
    first = found["a.mp4"].result
    assert list(first.files) == ["html"]  # a subtitle file of nothing is left out
    assert (out / first.files["html"]).read_bytes().startswith(b"<!DOCTYPE html>")
    assert (first.duration_seconds, len(first.job_id)) == (1.0, 12)
    assert tally.states == {"without_model": 2, "failed": 1}
    assert (tally.num_left, tally.seconds_left) == (0, 0.0)


@pytest.mark.slow
def test_the_same_batch_again_does_only_what_is_missing(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as services:
        batch = made(clips, services)
        ran(batch, services)
        results = Results(batch)
        key = next(one.key for one in batch.videos if one.name == "a.mp4")
        before = results.path(batch.videos[1].key).stat().st_mtime_ns
        results.path(key).unlink()
        write_card_video(clips / "c.mp4", ["green"])
        again = ran(made(clips, services), services)
    assert {name for name, one in ends(again).items() if not one.was_done} == {"a.mp4", "c.mp4"}
    assert {one.video.name for one in again if isinstance(one, VideoBegun)} == {"a.mp4", "c.mp4"}
    assert results.path(batch.videos[1].key).stat().st_mtime_ns == before


@pytest.mark.slow
def test_an_engine_that_is_away_leaves_the_videos_pending(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data", FRAMELENS_BASE_URL="http://127.0.0.1:9/v1") as services:
        batch = made(clips, services, use_model=True)
        events = ran(batch, services, workers=1)
    (halt,) = [one for one in events if isinstance(one, BatchHalted)]
    assert halt.error.key == "remote_unreachable"
    assert [one.video.name for one in events if isinstance(one, VideoBegun)] == ["a.mp4"]
    assert ends(events) == {}
    assert Results(batch).finished(batch) == {}


@pytest.mark.slow
def test_a_video_that_changed_or_went_fails_alone(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as services:
        batch = made(clips, services)
        write_card_video(clips / "a.mp4", ["yellow"])
        (clips / "broken.mp4").unlink()
        found = ends(ran(batch, services))
    keys = {name: one.result.error and one.result.error.key for name, one in found.items()}
    assert keys == {"a.mp4": "video_changed_in_batch", "b.mp4": None, "broken.mp4": "video_not_found"}


@pytest.mark.thorough
@pytest.mark.slow
def test_a_decoder_that_crashes_fails_one_video(clips: Path, tmp_path: Path) -> None:
    write_card_video(clips / "b.mp4", ["blue", "red"] * 40, width=1280, height=720)
    events: list[Any] = []
    with opened(tmp_path / "data") as services:
        batch = made(clips, services)
        for event in runner_of(services).run(batch, workers=1, cancel=threading.Event()):
            events.append(event)
            match event:
                case VideoProgress(BatchVideo(name="b.mp4"), AnalysisUpdate(event=Probed())):
                    for child in decoding_children():
                        child.send_signal(signal.SIGSEGV)
    found = ends(events)
    assert found["a.mp4"].result.state == "without_model"
    assert found["b.mp4"].result.error.key == "video_decoder_crashed"  # type: ignore[union-attr]
    assert found["b.mp4"].result.is_final


@pytest.mark.slow
def test_a_full_disk_halts_the_batch(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("framelens.plugins.batch.results.write_whole", refuse)
    with opened(tmp_path / "data") as services:
        events = ran(made(clips, services), services, workers=1)
    assert isinstance(events[-1], BatchHalted)
    assert events[-1].error.exit_code == 5


def test_a_stop_waits_for_the_running_videos() -> None:
    cancel, stopped = threading.Event(), []

    def analyse(video: int, listener: Any, stop: threading.Event) -> int:
        listener(StageStarted("survey"))
        assert stop.wait(10)
        stopped.append(video)
        raise Cancelled

    events: list[Any] = []
    for event in run_videos(range(5), analyse, workers=2, cancel=cancel):
        events.append(event)
        if sum(isinstance(one, VideoProgress) for one in events) == 2:
            cancel.set()
    assert sorted(stopped) == [0, 1]
    assert not any(isinstance(one, VideoEnded | BatchHalted) for one in events)


def test_one_error_about_all_stops_the_others() -> None:
    def analyse(video: int, listener: Any, stop: threading.Event) -> int:
        if video == 0:
            time.sleep(0.05)
            raise EngineError("remote_unreachable")
        assert stop.wait(10)
        raise Cancelled

    events = list(run_videos(range(9), analyse, workers=2, cancel=threading.Event()))
    assert {type(one) for one in events} == {VideoBegun, VideoStopped, BatchHalted}
    assert len(events) == 4


def test_a_video_stopped_elsewhere_leaves_the_others() -> None:
    def analyse(video: int, listener: Any, stop: threading.Event) -> int:
        if video == 0:
            raise Cancelled
        return video

    events = list(run_videos(range(3), analyse, workers=1, cancel=threading.Event()))
    assert [one.video for one in events if isinstance(one, VideoStopped)] == [0]
    assert [one.result for one in events if isinstance(one, VideoEnded)] == [1, 2]


@pytest.mark.parametrize(
    ("error", "all_of_them"),
    [
        (EngineError("remote_unreachable"), True),
        (ModelNotFound("model_folder_missing"), True),
        (StorageError("disk_full_now"), True),
        (EngineTimeout("engine_timeout"), False),
        (ContextExceeded("context_exceeded"), False),
        (EngineError("engine_crashed"), False),
        (DecodeError("video_decoder_crashed"), False),
        (AppError("internal"), False),
    ],
)
def test_errors_about_all_are_told_from_errors_about_one(error: AppError, all_of_them: bool) -> None:
    assert concerns_all(error) is all_of_them


def test_the_remaining_time_follows_the_sizes() -> None:
    now = [0.0]
    small, large = (BatchVideo(str(size), Path("v"), "v", size) for size in (100, 900))
    tally = BatchTally([small, large], clock=lambda: now[0])
    assert tally.seconds_left is None
    tally.apply(VideoBegun(small))
    assert tally.seconds_left is None
    now[0] = 10.0
    result = VideoResult("100", "v", Path("v"), "f", "done")
    tally.apply(VideoEnded(small, result))
    assert tally.seconds_left == pytest.approx(10.0 * (900 + 500) / (100 + 500))
    tally.apply(VideoEnded(large, replace(result, key="900"), was_done=True))
    assert tally.seconds_left == 0.0
