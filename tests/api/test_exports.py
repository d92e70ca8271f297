"""Exports: files that are written in turns, for their user, as long as somebody waits for them."""

import asyncio
import csv
import io
import json
import re
import threading
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from framelens.api import exports
from framelens.api.exports import ExportTurns, frames_as_zip, run_in_turn
from framelens.composition import Services
from framelens.core.analysis_state import AnalysisState
from framelens.core.background_task import cancelled_by, check_cancelled
from framelens.core.errors import Cancelled, InputError
from framelens.core.events import KeyframesChosen, Probed
from framelens.jobs.snapshot import imported_job, to_row
from framelens.jobs.stored.report_import import reports_of
from framelens.reports import document_worker
from framelens.reports.formats import FORMATS
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from tests.media import moving, write_video
from tests.reports.test_questions import asked
from tests.reports.test_reports import analysis


@pytest.mark.slow
def test_finished_analysis_exports_full_resolution_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving(20, 1920, 1080))
    events = list(extract(path, ExtractOptions(3, max_side=320, read_text=False)))
    (video,) = (event.video for event in events if isinstance(event, Probed))
    (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    done = replace(analysis(), video=video, keyframes=chosen.keyframes)
    with ZipFile(io.BytesIO(frames_as_zip(done))) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("times.csv").decode())))
        sizes = [Image.open(io.BytesIO(archive.read(row["file"]))).size for row in rows]
    assert [float(row["time_seconds"]) for row in rows] == [frame.time_seconds for frame in chosen.keyframes]
    assert sizes == [(1920, 1080)] * 3


def test_missing_videos_and_choices_are_said(client: TestClient) -> None:
    # Missing video exports stored frames.
    done = analysis()
    with ZipFile(io.BytesIO(frames_as_zip(done))) as archive:
        kept = [archive.read(name) for name in archive.namelist() if name.endswith(".jpg")]
    assert kept == [frame.jpeg for frame in done.keyframes]
    # Nothing chosen is said.
    for query in ("", "?ids=../x", "?ids=a&formats=nothing", f"?ids={','.join(['abc'] * 501)}"):
        answer = client.get(f"/api/library.zip{query}")
        assert (answer.status_code, answer.json()["key"]) == (400, "nothing_to_export")


@pytest.mark.slow
def test_every_format_of_a_report_is_sent(client: TestClient, services: Services) -> None:
    job_id = services.jobs.import_report(analysis())
    for name in (*FORMATS, "sheet", "frames", "everything"):
        answer = client.get(f"/api/jobs/{job_id}/exports/{name}")
        if name in FORMATS and not FORMATS[name].fits(analysis()):
            assert (answer.status_code, answer.json()["key"]) == (409, "api_report_empty")
            continue
        assert answer.status_code == 200 and answer.content, name
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["cache-control"] == "private, no-store"
    assert Image.open(BytesIO(client.get(f"/api/jobs/{job_id}/exports/sheet").content)).width > 2 * 500
    names = ZipFile(BytesIO(client.get(f"/api/jobs/{job_id}/exports/markdown").content)).namelist()
    assert sum(name.endswith(".jpg") for name in names) > 0


def test_what_is_not_there_is_said_in_the_language_of_the_page(client: TestClient, services: Services) -> None:
    job_id = services.jobs.import_report(analysis())
    for path, status in (
        (f"jobs/{job_id}/exports/xyz", 404),
        ("jobs/nothing12345/exports/html", 404),
        ("conversations/nothing12345/exports/json", 404),
    ):
        english, chinese = (client.get(f"/api/{path}?lang={spoken}") for spoken in ("en", "zh"))
        assert english.status_code == chinese.status_code == status, path
        assert re.search("[一-鿿]", chinese.json()["error"]) and not re.search("[一-鿿]", english.json()["error"])


def test_a_conversation_is_saved(client: TestClient, services: Services) -> None:
    services.reports.add(replace(asked(), id="job123456"))
    (conversation,) = services.conversations.find()
    kept = client.get(f"/api/conversations/{conversation.id}/exports/json")
    assert json.loads(kept.content) and kept.headers["content-type"] == "application/json"
    assert "Who is at the door?" in client.get(f"/api/conversations/{conversation.id}/exports/markdown").text


@pytest.mark.slow
def test_reports_go_out_as_one_zip(client: TestClient, services: Services) -> None:
    ids = [services.jobs.import_report(analysis(id=f"job12345{number}")) for number in range(2)]
    answer = client.get(f"/api/library.zip?ids={','.join(ids)}&formats=json,markdown")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert [one.id for one in reports_of([("x.zip", BytesIO(answer.content))])] == ids


@pytest.mark.slow
def test_zip_has_questions_and_answers_unless_refused(client: TestClient, services: Services) -> None:
    job_id = services.reports.add(replace(asked(), id="job123456"))
    for query, count in (("", 1), ("&conversations=0", 0)):
        answer = client.get(f"/api/library.zip?ids={job_id}&formats=json{query}")
        (report,) = reports_of([("x.zip", BytesIO(answer.content))])
        assert len(report.conversations) == count


def test_zip_names_what_has_no_report_in_it(client: TestClient, services: Services) -> None:
    with_report = services.jobs.import_report(analysis(id="job123456"))
    without = "job999999"
    job = replace(imported_job(analysis(id=without)), name="gate.mp4", state="cancelled", progress=AnalysisState())
    services.store.save(to_row(job, ""))
    answer = client.get(f"/api/library.zip?ids={with_report},{without}&formats=json&lang=en")
    with ZipFile(BytesIO(answer.content)) as archive:
        assert [name.rpartition(".")[2] for name in archive.namelist()] == ["json", "txt"]
        assert archive.read("left out.txt").decode() == f"gate.mp4: no report (cancelled) ({without})\n"
    answer = client.get(f"/api/library.zip?ids={with_report},{without}&formats=json&lang=zh")
    assert "未导出.txt" in ZipFile(BytesIO(answer.content)).namelist()


# ---- turns -----------------------------------------------------------------------------------------------------------


def asking(leaves: asyncio.Event) -> Request:
    """A request whose client leaves when the event is set."""

    async def receive() -> Message:
        await leaves.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}, receive)


def test_users_take_turns_and_one_cannot_take_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_MOST_OF_USER", 4)
    order: list[str] = []

    async def export(turns: ExportTurns, user: str, seconds: float = 0.01) -> None:
        async with turns.turn(user):
            order.append(user)
            await asyncio.sleep(seconds)

    async def run() -> None:
        turns = ExportTurns()
        tasks = [asyncio.ensure_future(export(turns, "ann")) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(InputError, match="exports_many"):
            await export(turns, "ann")
        tasks.append(asyncio.ensure_future(export(turns, "bob")))
        await asyncio.gather(*tasks)
        await export(turns, "ann")  # all places are free again

    asyncio.run(run())
    assert order == ["ann", "ann", "bob", "ann", "ann", "ann"]


def test_place_of_a_cancelled_export_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_AT_A_TIME", 1)

    async def run() -> None:
        turns, held = ExportTurns(), asyncio.Event()

        async def hold() -> None:
            async with turns.turn("ann"):
                await held.wait()

        first, second, third = (asyncio.ensure_future(hold()) for _ in range(3))
        await asyncio.sleep(0)
        second.cancel()
        held.set()
        await asyncio.gather(first, third)
        assert second.cancelled() or await asyncio.wait([second])

    asyncio.run(asyncio.wait_for(run(), 10))


def test_work_ends_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, begun = threading.Event(), threading.Event()

    def work() -> bytes:
        begun.set()
        try:
            while True:
                check_cancelled()
                time.sleep(0.01)
        finally:
            ended.set()

    async def run() -> bytes | None:
        leaves = asyncio.Event()
        task = asyncio.ensure_future(run_in_turn(asking(leaves), work))
        await asyncio.to_thread(begun.wait)
        leaves.set()
        return await task

    assert asyncio.run(asyncio.wait_for(run(), 30)) is None
    assert ended.is_set()


@pytest.mark.own_start
def test_process_of_a_document_ends_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    started = document_worker.subprocess.Popen
    children = []

    def start(*args: object, **options: object) -> object:
        children.append(started(*args, **options))  # type: ignore[call-overload]
        cancel.set()
        return children[-1]

    monkeypatch.setattr(document_worker.subprocess, "Popen", start)
    with pytest.raises(Cancelled):
        cancelled_by(
            cancel, lambda: document_worker.write("pdf", "framelens.reports.pdf.report:write", analysis(), "en")
        )()
    assert children[0].returncode is not None
