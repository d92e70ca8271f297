"""Batches as they run on this machine: with real videos, and with an engine that goes away."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_services
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest
from framelens.core.errors import (
    AppError,
    ContextExceeded,
    DecodeError,
    EngineError,
    EngineTimeout,
    ModelNotFound,
    StorageError,
    VideoError,
)
from framelens.core.events import Probed
from framelens.plugins.batch import loop
from framelens.plugins.batch.batch import Batch, BatchVideo, collect
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.loop import BatchEvent, BatchHalted, BatchLoop, VideoBegun, VideoEnded, VideoProgress
from framelens.plugins.batch.results import concerns_all, may_pass, results_of
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


def batch_of(clips: Path, **changes: Any) -> Batch:
    collected = collect(resolve([str(clips)]).items, sha256_of)
    request = AnalysisRequest(UNKNOWN_PATH, frames=2, use_model=False)
    return replace(Batch("one", collected.videos, request, folder=clips.parent / "out", name="one"), **changes)


def loop_of(batch: Batch, services: Services, **options: Any) -> BatchLoop:
    batches = BatchRepository(services.store)
    options = {"workers": 2, "cancel": threading.Event(), **options}
    return BatchLoop(batches.add(batch), batches, services, **options)


def ran(batch: Batch, services: Services, **options: Any) -> list[BatchEvent]:
    return list(loop_of(batch, services, **options).run(batch.videos))


def ends(events: list[BatchEvent]) -> dict[str, VideoEnded]:
    return {event.video.name: event for event in events if isinstance(event, VideoEnded)}


def begun(events: list[BatchEvent]) -> list[str]:
    return sorted(event.video.name for event in events if isinstance(event, VideoBegun))


@pytest.mark.slow
def test_each_video_becomes_a_job_of_the_queue(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as services:
        batch = batch_of(clips)
        found = ends(ran(batch, services))
        stored = {video.name: video for video in BatchRepository(services.store).get("one").videos}
        assert {entry.name for entry in services.jobs.recent()} == {"a.mp4", "b.mp4"}
        rows = results_of(batch_of_stored(services), services.jobs, services.settings)
        results = {row.video.name: row for row in rows}
    assert {name: one.state for name, one in found.items()} == {
        "a.mp4": "without_model", "b.mp4": "without_model", "broken.mp4": "failed",
    }  # fmt: skip
    assert {name: one.state for name, one in results.items()} == {name: one.state for name, one in found.items()}
    assert stored["a.mp4"].job_id == found["a.mp4"].video.job_id and len(stored["a.mp4"].job_id) == 12
    assert stored["broken.mp4"].failure and stored["broken.mp4"].failure.key == "video_not_a_video"
    assert (results["a.mp4"].duration_seconds, results["broken.mp4"].failure) == (1.0, stored["broken.mp4"].failure)


def batch_of_stored(services: Services) -> Batch:
    return BatchRepository(services.store).get("one")


@pytest.mark.slow
def test_the_same_batch_again_does_only_what_is_missing(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as services:
        first = ends(ran(batch_of(clips), services))
        services.jobs.remove(first["a.mp4"].video.job_id)
        write_card_video(clips / "c.mp4", ["green"])
        again = ran(batch_of(clips), services)
        forced = ran(batch_of(clips), services, force=True)
        elsewhere = ran(batch_of(clips, id="two", folder=None), services)
    assert {name for name, one in ends(again).items() if not one.was_done} == {"a.mp4", "c.mp4"}
    assert begun(again) == ["a.mp4", "c.mp4"]
    assert begun(forced) == ["a.mp4", "b.mp4", "broken.mp4", "c.mp4"]
    assert begun(elsewhere) == ["broken.mp4"], "a folder of results alone leaves alone what failed for good"


@pytest.mark.slow
def test_an_engine_that_is_away_leaves_the_videos_pending(clips: Path, tmp_path: Path) -> None:
    asks = AnalysisRequest(UNKNOWN_PATH, frames=2)
    with opened(tmp_path / "data", FRAMELENS_BASE_URL="http://127.0.0.1:9/v1") as services:
        events = ran(batch_of(clips, request=asks), services, workers=1)
        pending = [one.state for one in results_of(batch_of_stored(services), services.jobs, services.settings)]
        alone = ran(batch_of(clips, request=asks, folder=None, id="two"), services, workers=1)
    (halt,) = [event for event in events if isinstance(event, BatchHalted)]
    assert halt.error.key == "remote_unreachable"
    assert begun(events) == ["a.mp4"]
    assert [one.state for one in ends(events).values()] == [None] and pending == ["pending"] * 3
    assert sorted(str(one.state) for one in ends(alone).values()) == ["failed", "model_failed", "model_failed"]


@pytest.mark.slow
def test_a_video_that_went_fails_alone(clips: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "data") as services:
        batch = batch_of(clips)
        (clips / "broken.mp4").unlink()
        found = ends(ran(batch, services))
        again = ends(ran(batch, services))
    assert {name: one.error and one.error.key for name, one in found.items()} == {
        "a.mp4": None, "b.mp4": None, "broken.mp4": "video_not_found",
    }  # fmt: skip
    assert not again["broken.mp4"].was_done, "it may be back"


@pytest.mark.thorough
@pytest.mark.slow
def test_a_decoder_that_crashes_fails_one_video(clips: Path, tmp_path: Path) -> None:
    write_card_video(clips / "b.mp4", ["blue", "red"] * 40, width=1280, height=720)
    events: list[BatchEvent] = []
    with opened(tmp_path / "data") as services:
        batch = batch_of(clips)
        for event in loop_of(batch, services, workers=1).run(batch.videos):
            events.append(event)
            match event:
                case VideoProgress(BatchVideo(name="b.mp4"), AnalysisUpdate(event=Probed())):
                    for child in decoding_children():
                        child.send_signal(signal.SIGSEGV)
        again = ends(ran(batch, services))
    found = ends(events)
    assert found["a.mp4"].state == "without_model"
    assert found["b.mp4"].error and found["b.mp4"].error.key == "video_decoder_crashed"
    assert again["b.mp4"].was_done and again["b.mp4"].error


@pytest.mark.slow
def test_a_full_disk_halts_the_batch(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "data") as services:

        def refuse(*_: object, **__: object) -> None:
            raise StorageError("disk_full_now")

        monkeypatch.setattr(services.jobs, "submit", refuse)
        events = ran(batch_of(clips), services, workers=1)
    assert isinstance(events[-1], BatchHalted) and events[-1].error.exit_code == 5
    assert len(ends(events)) == 1


class Runs:
    """Analyses that never end by themselves."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0

    def start(self, *_: object, **__: object) -> Any:
        self.started += 1
        run = SimpleNamespace(job_id=f"job{self.started}", was_finished=False, is_over=False, arrived=lambda: iter(()))
        run.cancel = lambda: self._stop(run)
        run.result = lambda: SimpleNamespace(
            id=run.job_id, state="cancelled", error=None, failure=None, is_no_video=False
        )
        return run

    def _stop(self, run: Any) -> None:
        self.stopped += not run.is_over
        run.is_over = True


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(loop.AnalysisRun, "begin", runs.start)
    monkeypatch.setattr(loop, "check_file", lambda path: None)
    monkeypatch.setattr(loop, "_POLL_SECONDS", 0.0)
    return runs


def pretended(cancel: threading.Event) -> tuple[BatchLoop, list[BatchVideo]]:
    videos = [BatchVideo("", Path(f"{number}.mp4"), f"{number}.mp4") for number in range(5)]
    batch = Batch("one", tuple(videos), AnalysisRequest(UNKNOWN_PATH), folder=Path("out"))
    services: Any = SimpleNamespace(jobs=None, templates=None, planner=None, settings=None)
    return BatchLoop(batch, None, services, workers=2, cancel=cancel), videos


def test_a_stop_waits_for_what_runs_and_begins_no_more(runs: Runs) -> None:
    cancel = threading.Event()
    loop, videos = pretended(cancel)
    events: list[BatchEvent] = []
    for event in loop.run(videos):
        events.append(event)
        if len(events) == 2:
            cancel.set()
    assert (runs.started, runs.stopped) == (2, 2)
    assert [(type(event), getattr(event, "state", "")) for event in events[2:]] == [(VideoEnded, None)] * 2


def test_a_reason_to_halt_stops_the_others(runs: Runs) -> None:
    loop, videos = pretended(threading.Event())
    events: list[BatchEvent] = []
    for event in loop.run(videos):
        events.append(event)
        if len(events) == 2:
            loop.halt(StorageError("disk_full_now"))
    assert (runs.started, runs.stopped) == (2, 2)
    assert isinstance(events[-1], BatchHalted)


def test_a_loop_that_is_left_stops_what_runs(runs: Runs) -> None:
    loop, videos = pretended(threading.Event())
    events = loop.run(videos)
    next(events)
    events.close()
    assert (runs.started, runs.stopped) == (1, 1)


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


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (DecodeError("video_decoder_crashed"), False),
        (VideoError("video_not_a_video"), False),
        (VideoError("video_not_found"), True),
        (EngineError("engine_timeout"), True),
        (StorageError("disk_full_now"), True),
    ],
)
def test_only_what_may_pass_is_tried_again(error: AppError, again: bool) -> None:
    assert may_pass(error) is again
