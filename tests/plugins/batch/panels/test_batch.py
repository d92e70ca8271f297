"""Batches on the page: a folder of the server, what each video comes to, stopping and continuing, the ZIP."""

import shutil
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.page_tools import TOOLS
from app.panels.analyse import video_picker
from app.panels.work import work
from framelens.analysis.task import Task
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import EngineError, InputError
from framelens.core.events import AnalysisEvent, ChunkDone
from framelens.core.roles import LOCAL_USER, User, as_user
from framelens.i18n import in_language, t
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.page_batches import PageBatches, bundle
from framelens.plugins.batch.panels import batch
from framelens.plugins.batch.results import status_of
from framelens.reports.files import zipped
from framelens.store.videos.video_repository import VideoRepository
from tests.app import rich
from tests.app.conftest import Open
from tests.app.fake_services import ended, queue, script
from tests.app.panels.analyse.test_request_form import copies
from tests.app.views.test_analyse import parts_shown, texts


def submitted_batch(page: AppTest) -> Batch:
    """The batch that the page shows, once all its videos are in the queue."""
    batches, batch_id = batch.batches(TOOLS), page.query_params["batch"]
    while batches.is_submitting(batch_id):
        time.sleep(0.01)
    return batches.stored.get(batch_id)


@pytest.fixture
def folder(card_video: Path) -> Path:
    folder = card_video.parent / "cameras"
    video_picker.num_videos_in.clear()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "door").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "door/c.mp4"):
        shutil.copy(card_video, folder / name)
    (folder / "notes.txt").touch()
    return folder


def choose(page: AppTest, folder: Path | str) -> None:
    page.run()
    page.text_input(key="path").input(str(folder)).run()
    assert not page.exception


def rows(page: AppTest) -> dict[str, str]:
    """The states of the videos in the table."""
    return {row["video"]: row["state"] for row in page.dataframe[0].value.to_dict("records")}


@pytest.mark.slow
def test_several_videos_become_jobs_with_one_question(page: AppTest, services: Services, card_video: Path) -> None:
    first, second, third = copies(services, card_video, 3)
    page.query_params["video"], page.query_params["also"] = first, f"{second},{third}"
    page.run()
    assert page.button(key="start").label == "Analyse 3 videos"
    page.text_area(key="question").input("Which colours?").run()
    page.button(key="start").click().run()
    record = submitted_batch(page)
    jobs = services.jobs.recent()
    assert sorted(job.name for job in jobs) == ["part 0.mp4", "part 1.mp4", "part 2.mp4"]
    assert {job.request.question for job in jobs} == {"Which colours?"}
    assert [services.jobs.snapshot(video.job_id).name for video in record.videos] == [f"part {n}.mp4" for n in range(3)]
    assert record.shown_name == "3 videos: part 0.mp4 …"
    with in_language("zh"):
        assert record.shown_name == "part 0.mp4 等 3 个视频"
    assert [one.value for one in page.markdown].count("Which colours?") == 1


@pytest.mark.slow
def test_a_batch_leaves_earlier_work_in_the_list(
    page: AppTest, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_NUM_SHOWN", 2)
    sample = services.videos.path(services.videos.sample())
    earlier = services.jobs.submit(AnalysisRequest(sample), name="earlier.mp4")
    ended(services, earlier)
    choose(page, folder)
    page.button(key="start").click().run()
    record = submitted_batch(page)
    for video in record.videos:
        ended(services, video.job_id)
    page.run()
    listed = [row["id"] for part in parts_shown(page) for row in part.get("jobs", ())]
    assert listed == [f"batch-{record.id}", earlier]


@pytest.mark.slow
def test_a_folder_of_the_server_becomes_a_batch(page: AppTest, services: Services, folder: Path) -> None:
    choose(page, folder)
    assert f"3 videos in {folder}" in texts(page)
    assert page.button(key="start").label == "Analyse 3 videos"
    page.button(key="start").click().run()
    record = submitted_batch(page)
    assert (record.name, [video.name for video in record.videos]) == ("cameras", ["a.mp4", "b.mp4", "door/c.mp4"])
    for one in record.videos:
        ended(services, one.job_id)
    page.run()
    assert "3 videos: 3 done" in texts(page)
    assert rows(page) == dict.fromkeys(("a.mp4", "b.mp4", "door/c.mp4"), t("library.state.done", "en"))
    listed = [row["id"] for part in parts_shown(page) for row in part.get("jobs", ())]
    assert listed == [f"batch-{record.id}"], "one row for the whole batch"
    with in_language("en"):
        archive = ZipFile(BytesIO(zipped(bundle(record, services.jobs, services.settings, "en"))))
    reports = ["reports/a.html", "reports/b.html", "reports/c.html"]
    assert sorted(archive.namelist()) == [*reports, "summary.csv", "summary.html", "summary.json"]
    assert all(name.encode() in archive.read("summary.html") for name in reports)
    assert not [name for name in archive.namelist() if str(folder).encode() in archive.read(name)]


@pytest.mark.slow
def test_the_first_video_that_can_be_read_is_shown(page: AppTest, services: Services, folder: Path) -> None:
    (folder / "0.mp4").write_text("no video")
    choose(page, folder)
    assert services.videos.name(page.query_params["video"]) == "a.mp4"
    assert page.button(key="start").label == "Analyse 4 videos"
    assert not page.button(key="start").disabled


@pytest.mark.slow
def test_folders_and_links_to_outside_are_refused(
    page: AppTest, services: Services, folder: Path, tmp_path: Path
) -> None:
    outside = shutil.copy(folder / "a.mp4", tmp_path / "secret.mp4")
    choose(page, tmp_path)
    assert "folder" not in page.query_params
    assert page.error
    (folder / "z.mp4").symlink_to(outside)
    choose(page, folder)
    page.button(key="start").click().run()
    record = submitted_batch(page)
    (refused,) = [video for video in record.videos if video.failure]
    assert (refused.name, refused.failure and refused.failure.key) == ("z.mp4", "path_outside")
    page.run()
    (row,) = [row for row in page.dataframe[0].value.to_dict("records") if row["video"] == "z.mp4"]
    assert "z.mp4" in row["says"] and row["state"] == t("library.state.failed", "en")
    written = {one.name: one.data.decode() for one in bundle(record, services.jobs, services.settings, "en")}
    assert not [name for name, text in written.items() if str(tmp_path) in text or str(folder) in text]
    assert "z.mp4" in written["summary.json"] and "path_outside" in written["summary.json"]
    assert len(services.jobs.recent()) == 3


@pytest.mark.slow
def test_a_batch_is_stopped_and_continued(
    page: AppTest, open_services: Open, folder: Path, hold: threading.Event
) -> None:
    services = open_services(script(hold=hold))
    choose(page, folder)
    page.button(key="start").click().run()
    record = submitted_batch(page)
    while len(services.jobs.running()) < 2:
        time.sleep(0.01)
    page.run()
    assert "3 videos: 2 running, 1 waiting" in texts(page)
    page.button(key="batch_stop").click().run()
    assert {ended(services, video.job_id).state for video in record.videos} == {"cancelled"}
    page.run()
    assert "3 videos: 3 cancelled" in texts(page)
    hold.set()
    page.button(key="batch_continue").click().run()
    assert {ended(services, video.job_id).state for video in record.videos} == {"done"}
    page.run()
    assert "3 videos: 3 done" in texts(page)
    assert "batch_continue" not in [one.key for one in page.button]


@pytest.mark.slow
def test_changed_settings_are_decided_about_once(
    page: AppTest, open_services: Open, folder: Path, tmp_path: Path
) -> None:
    settings, whole = {"answer_tokens": "1024"}, open_services(rich.script())

    def stopping(task: Task) -> Iterator[AnalysisEvent]:
        for event in rich.script(parts=4)(task):
            yield event
            if isinstance(event, ChunkDone) and settings["answer_tokens"] == "1024":
                raise EngineError("engine_empty_answer")

    jobs = queue(whole.store, stopping, tmp_path / "other", conditions=lambda request: dict(settings))
    services = replace(whole, jobs=jobs)
    resources.install(resources.Installed(services=services, key="key"))
    videos = [(name, folder / name) for name in ("a.mp4", "b.mp4")]
    page.query_params["batch"] = batch.batches(TOOLS).start("", videos, AnalysisRequest(Path("x"), frames=2)).id
    record = submitted_batch(page)
    assert {ended(services, video.job_id).state for video in record.videos} == {"failed"}
    settings["answer_tokens"] = "512"
    page.run()
    assert t("ui.changed", "en", n=2) in texts(page) and "2 videos: 2 failed" in texts(page)
    assert "batch_continue" not in [one.key for one in page.button]
    with pytest.raises(InputError, match="settings_changed"):
        batch.batches(TOOLS).proceed(record)
    page.button(key="continue_changed").click().run()
    assert {ended(services, video.job_id).conditions["answer_tokens"] for video in record.videos} == {"512"}
    jobs.close()


@pytest.mark.slow
def test_what_was_not_submitted_is_continued_later(services: Services, page: AppTest, folder: Path) -> None:
    """The program ended before all jobs were in the queue."""
    batches = batch.batches(TOOLS)
    videos = tuple(BatchVideo("", folder / name, name) for name in ("a.mp4", "b.mp4"))
    record = batches.stored.add(Batch("left", videos, AnalysisRequest(Path("x"), frames=2)))
    page.query_params["batch"] = record.id
    page.run()
    assert list(page.dataframe[0].value["video"]) == ["a.mp4", "b.mp4"]
    page.button(key="batch_continue").click().run()
    record = submitted_batch(page)
    assert [ended(services, video.job_id).state for video in record.videos] == ["done", "done"]
    services.jobs.remove(record.videos[0].job_id)
    assert [one.video.name for one in status_of(record, services.jobs)] == ["b.mp4"]


def test_frames_that_fit_are_counted_for_each_video(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dict[str, AnalysisRequest]()

    def submit(request: AnalysisRequest, *, name: str) -> str:
        asked[name] = request
        return f"job of {name}"

    held = {"a.mp4": 3, "b.mp4": 7}
    planner: Any = SimpleNamespace(held_frames=lambda video, request, template: held[video.path.name])
    monkeypatch.setattr(services.jobs, "submit", submit)
    batches = PageBatches(services.store, services.jobs, services.templates, lambda: planner)
    (folder / "c.mp4").write_text("no video")
    videos = tuple(BatchVideo("", folder / name, name) for name in ("a.mp4", "c.mp4", "b.mp4"))
    request = AnalysisRequest(Path("x"), frames=256, adapts=True)
    with as_user(LOCAL_USER):
        for name, fits in (("fits", True), ("given", False)):
            asked.clear()
            record = batches.stored.add(Batch(name, videos, request, fits_request=fits))
            batches.proceed(record)
            while batches.is_submitting(record.id):
                time.sleep(0.01)
            assert batches.error_of(record.id) is None
            counts = {name: (one.frames, one.adapts) for name, one in asked.items()}
            expected = {"a.mp4": (3, False), "b.mp4": (7, False)} if fits else dict.fromkeys(asked, (256, True))
            assert counts == expected and len(asked) == 2 + (not fits)
            failed = [video.name for video in batches.stored.get(record.id).videos if video.failure]
            assert failed == (["c.mp4"] if fits else []), "only the count needs the video before the analysis"


def test_uploads_of_others_are_in_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = VideoRepository(tmp_path / "data", (tmp_path,), tmp_path / "sample.mp4")
    settings = SimpleNamespace(data_dir=tmp_path / "data")
    monkeypatch.setattr(video_picker, "services", lambda: SimpleNamespace(videos=videos, settings=settings))
    with as_user(User("u1", "ann", "analyst")):
        upload = videos.create_upload("ann's secret.mp4", 3)
        with videos.part(upload.id, 0) as part:
            part.write(b"abc")
        videos.finish(upload.id)
    (tmp_path / "a.mp4").touch()
    with as_user(User("u2", "bob", "analyst")):
        assert [name for name, _ in video_picker.videos_in(str(tmp_path))] == ["a.mp4"]


def test_viewer_starts_continues_and_stops_no_batch(services: Services, folder: Path, page: AppTest) -> None:
    batches, request = batch.batches(TOOLS), AnalysisRequest(Path("x"), frames=2)
    with as_user(User("u1", "vic", "viewer")):
        record = batches.stored.add(Batch("left", (BatchVideo("", folder / "a.mp4", "a.mp4"),), request))
        for act in (lambda: batches.start("x", (), request), lambda: batches.proceed(record)):
            with pytest.raises(InputError, match="role_analyst"):
                act()
        with pytest.raises(InputError, match="role_analyst"):
            batches.cancel(record)
        assert batches.stored.get(record.id) == record and len(batches.stored.recent(9)) == 1


def test_closing_leaves_what_was_not_submitted(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, submit = threading.Event(), threading.Event(), services.jobs.submit

    def slow(request: AnalysisRequest, **more: Any) -> str:
        begun.set()
        assert go.wait(30)
        return submit(request, **more)

    monkeypatch.setattr(services.jobs, "submit", slow)
    batches, names = batch.batches(TOOLS), ("a.mp4", "b.mp4")
    with as_user(LOCAL_USER):
        record = batches.start("x", [(name, folder / name) for name in names], AnalysisRequest(Path("x"), frames=2))
        assert begun.wait(30)
        threading.Timer(0.1, go.set).start()
        batches.close()
        assert not batches.is_submitting(record.id)
        assert [bool(video.job_id) for video in batches.stored.get(record.id).videos] == [True, False]


def test_tables_are_not_saved_by_the_browser() -> None:
    """Its CSV would hold formulas and the key of the page's pictures."""
    config = Path(video_picker.__file__).parents[2] / ".streamlit" / "config.toml"
    assert tomllib.loads(config.read_text(encoding="utf-8"))["client"]["disableDataExport"] is True


def test_an_unknown_batch_leads_back(services: Services, page: AppTest) -> None:
    page.query_params["batch"] = "../secret"
    page.run()
    assert "There is no batch" in texts(page)
    assert page.button(key="use_sample")
