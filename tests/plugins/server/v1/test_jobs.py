"""Jobs through the API: the same queue and store as the page's."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient

from framelens.api import Gate
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.reports.formats import FORMATS
from framelens.store.videos.video_repository import VideoRepository
from tests.app.fake_services import ended, open_fake, queue, script, unusable_chunk
from tests.plugins.server.v1.conftest import client_of, ended_job, uploaded


def submit(api: TestClient, **given: object) -> str:
    answer = api.post("jobs", json={"source": uploaded(api), **given})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def events(api: TestClient, path: str, **headers: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """The events of a stream until it ends: name, id and data."""
    with api.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line and "data" in fields:
                yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
                fields = {}


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def held(hold: threading.Event, gate: Gate, tmp_path: Path) -> Iterator[Services]:
    """Services whose jobs wait in the middle of their answer."""
    opened = open_fake(tmp_path / "held", run=script(hold=hold), sample=tmp_path / "none.mp4")
    gate.services = opened
    yield gate.services
    gate.services.close()


def test_a_request_sent_again_is_the_job_at_work(held: Services, gate: Gate) -> None:
    with client_of(gate, api_keys.create(ApiStore(held.store), "again")) as api:
        given = {"source": uploaded(api), "frames": 4}
        first, again = (api.post("jobs", json=given).json()["id"] for _ in range(2))
        other = api.post("jobs", json={**given, "frames": 5}).json()["id"]
        forced = api.post("jobs", json={**given, "force": True}).json()["id"]
    assert first == again
    assert len({first, other, forced}) == 3


@pytest.mark.slow
def test_an_upload_becomes_a_report_in_every_format(api: TestClient, services: Services) -> None:
    job_id = submit(api, name="door.mp4", language="zh", frames=4)
    job = ended_job(api, job_id)
    assert (job["state"], job["name"], job["language"], job["has_report"]) == ("done", "door.mp4", "zh", True)
    assert services.jobs.snapshot(job_id).request.frames == 4
    fitting = 0
    for name in FORMATS:
        answer = api.get(f"jobs/{job_id}/reports/{name}")
        assert answer.status_code == 200 or answer.json()["key"] == "api_report_empty"
        fitting += answer.status_code == 200
    assert fitting > 10
    archive = api.get(f"jobs/{job_id}/reports/zip")
    assert any(name.endswith(".pdf") for name in ZipFile(BytesIO(archive.content)).namelist())
    assert "attachment" in archive.headers["content-disposition"]
    assert json.loads(api.get(f"jobs/{job_id}/reports/json?language=en").content)


def test_a_file_in_an_allowed_folder_is_analysed(
    api: TestClient, services: Services, gate: Gate, tmp_path: Path
) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_bytes(b"a")
    (tmp_path / "b.mp4").write_bytes(b"b")
    shelf = VideoRepository(tmp_path / "shelf", (tmp_path / "films",), tmp_path / "none.mp4")
    gate.services = replace(services, videos=shelf)
    answer = api.post("jobs", json={"source": {"type": "path", "path": "a.mp4"}})
    assert ended_job(api, answer.json()["id"])["state"] == "done"
    for path, status in ((tmp_path / "b.mp4", 403), ("../b.mp4", 403), ("c.mp4", 404), ("/etc/passwd", 403)):
        refused = api.post("jobs", json={"source": {"type": "path", "path": str(path)}})
        assert refused.status_code == status, refused.text


@pytest.mark.slow
def test_a_report_without_a_usable_answer_says_so(tmp_path: Path, gate: Gate, services: Services) -> None:
    sample = services.videos.path(services.videos.sample())
    opened = open_fake(tmp_path / "unusable", run=script(answer=unusable_chunk), sample=sample)
    gate.services = opened
    try:
        with client_of(gate, api_keys.create(ApiStore(opened.store), "tests")) as api:
            job_id = submit(api)
            job = ended_job(api, job_id)
            assert (job["state"], job["has_report"], job["error"]["key"]) == (
                "no_usable_answer", True, "no_usable_answer"
            )  # fmt: skip
            assert api.get("jobs?state=no_usable_answer").json()["total"] == 1
            assert api.get("jobs?state=done").json()["total"] == 0
            report = api.get(f"jobs/{job_id}/reports/json").json()
            assert report["state"] == "no_usable_answer"
            assert [one["key"] for one in report["notices"] if one["level"] == "error"] == ["no_usable_answer"]
            assert api.post(f"jobs/{job_id}/resume").status_code == 202
            assert ended_job(api, job_id)["state"] == "no_usable_answer"
    finally:
        opened.close()


def test_jobs_of_page_and_api_are_one_list(api: TestClient, services: Services) -> None:
    ours = submit(api)
    theirs = services.jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="page.mp4")
    ended(services, ours), ended(services, theirs)
    found = api.get("jobs").json()
    assert (found["total"], {one["id"] for one in found["jobs"]}) == (2, {ours, theirs})
    assert [one["id"] for one in api.get("jobs?words=page&limit=5").json()["jobs"]] == [theirs]
    assert api.get("jobs?state=failed").json()["total"] == 0
    assert len(api.get("jobs?offset=1").json()["jobs"]) == 1


@pytest.mark.parametrize(
    ("changes", "status", "key"),
    [
        ({"template": "nothing"}, 409, "template_absent"),
        ({"template": "question"}, 409, "question_missing"),
        ({"question": " \n"}, 409, "ask_question_missing"),
        ({"template": "question", "question": " "}, 409, "ask_question_missing"),
        ({"start_seconds": 5, "end_seconds": 4}, 409, "range_reversed"),
        ({"strategy": "every"}, 409, "option_missing"),
        ({"frames": 0}, 422, "api_body_wrong"),
        ({"start_seconds": "NaN"}, 422, "api_body_wrong"),
        ({"source": {"type": "upload", "id": "0123456789abcdef0123"}}, 404, "upload_unknown"),
        ({"source": {"type": "upload", "id": "../../x"}}, 404, "upload_unknown"),
        ({"source": {"type": "path", "path": "/etc/passwd"}}, 403, "path_none_allowed"),
    ],
)
def test_a_wrong_submission_leaves_nothing(api: TestClient, changes: dict[str, object], status: int, key: str) -> None:
    answer = api.post("jobs", json={"source": uploaded(api), **changes})
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert api.get("jobs").json() == {"total": 0, "jobs": [], "fetching": []}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("jobs?limt=5", 'query.limt: There is no such parameter; did you mean "limit"?'),
        ("jobs?limit=5&word=x&Limit=2", 'query.word: There is no such parameter; did you mean "words"?'),
        ("jobs/none?limit=5", "query.limit: There is no such parameter."),
        ("?limit=5", "query.limit: There is no such parameter."),
        ("jobs/none/reports/json?spoken=en", "query.spoken: There is no such parameter. The parameters are: "),
    ],
)
def test_unknown_parameter_is_refused_with_the_nearest(api: TestClient, path: str, said: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()["key"]) == (422, "api_body_wrong")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("jobs", {"source": {}, "frame": 3}, 'body.frame: There is no such field; did you mean "frames"?'),
        ("jobs", {"source": {"type": "url", "ulr": "http://a"}}, 'did you mean "url"?'),
        ("jobs", {"source": {"type": "upload", "ID": "x"}}, "body.source.upload.ID: There is no such field; did you"),
        ("uploads", {"name": "", "size_bytes": 5}, "body.name: It must have at least 1 character. Compare"),
        ("jobs", {"source": {}, "every_seconds": 0}, "body.every_seconds: It must be greater than 0. "),
        (
            "jobs",
            {"source": {}, "video_path": "/a"},
            "body.video_path: There is no such field. The fields are: source, ",
        ),
        ("uploads", {"name": "a.mp4", "size": 5}, 'body.size: There is no such field; did you mean "size_bytes"?'),
    ],
)
def test_wrong_field_is_refused_with_what_fits(api: TestClient, path: str, body: dict[str, object], said: str) -> None:
    answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()["key"]) == (422, "api_body_wrong")
    assert said in answer.json()["detail"]


@pytest.mark.slow
def test_subtitles_are_put_beside_the_uploaded_video(api: TestClient, services: Services) -> None:
    words = uploaded(api, b"1\n00:00:00,500 --> 00:00:01,500\nHello\n", "words.srt")["id"]
    answer = api.post("jobs", json={"source": uploaded(api), "subtitles": [words]})
    assert answer.status_code == 202, answer.text
    path = services.jobs.snapshot(answer.json()["id"]).request.path
    assert sorted(one.name for one in path.parent.iterdir()) == ["clip.mp4", "clip.words.srt"]


@pytest.mark.slow
def test_a_video_is_no_subtitles(api: TestClient) -> None:
    answer = api.post("jobs", json={"source": uploaded(api), "subtitles": [uploaded(api)["id"]]})
    assert (answer.status_code, answer.json()["key"]) == (409, "subtitles_not_known")
    assert api.get("jobs").json()["total"] == 0


def test_type_of_an_upload_is_read_without_its_parameters(api: TestClient) -> None:
    upload = f"uploads/{api.post('uploads', json={'name': 'a.mp4', 'size_bytes': 3}).json()['id']}"
    sent = {"Content-Type": "Application/Octet-Stream; charset=binary"}
    assert api.patch(upload, content=b"abc", headers=sent).json()["received_bytes"] == 3


def test_nothing_more_for_a_complete_upload_is_no_conflict(api: TestClient) -> None:
    upload = f"uploads/{api.post('uploads', json={'name': 'a.mp4', 'size_bytes': 3}).json()['id']}"
    sent = {"Content-Type": "application/octet-stream"}
    for offset, content in ((0, b"abc"), (3, b"")):
        answer = api.patch(f"{upload}?offset={offset}", content=content, headers=sent)
        assert (answer.status_code, answer.json().get("received_bytes")) == (200, 3), answer.text


def test_an_upload_that_stopped_half_way_is_refused(api: TestClient) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    made = api.post("uploads", headers={**tus, "Upload-Length": "10"})
    upload_id = made.headers["location"].rsplit("/", 1)[1]
    refused = api.post("jobs", json={"source": {"type": "upload", "id": upload_id}})
    assert (refused.status_code, refused.json()["key"]) == (409, "upload_incomplete")
    assert api.head(f"uploads/{upload_id}", headers=tus).headers["upload-offset"] == "0"


@pytest.mark.slow
def test_events_follow_a_job_and_resume(held: Services, hold: threading.Event, gate: Gate) -> None:
    key = api_keys.create(ApiStore(held.store), "watcher")
    with client_of(gate, key) as api:
        job_id = submit(api)
        stream = events(api, f"jobs/{job_id}/events")
        first = next(stream)
        assert first[0] == "job" and first[2]["id"] == job_id
        hold.set()
        *_, last = stream
        assert last[2]["state"] == "done"
        again = list(events(api, f"jobs/{job_id}/events", **{"Last-Event-ID": last[1]}))
        assert [one[2]["state"] for one in again] == ["done"]


@pytest.mark.slow
def test_a_job_is_cancelled_resumed_and_deleted(held: Services, gate: Gate) -> None:
    key = api_keys.create(ApiStore(held.store), "stopper", jobs=1)
    with client_of(gate, key) as api:
        job_id = submit(api)
        refused = api.post("jobs", json={"source": uploaded(api)})
        assert (refused.status_code, refused.json()["key"]) == (429, "api_jobs")
        assert refused.headers["retry-after"]
        assert api.get(f"jobs/{job_id}/reports/json").json()["key"] == "no_report_yet"
        assert api.post(f"jobs/{job_id}/cancel").status_code == 202
        stopped = ended_job(api, job_id)
        assert (stopped["state"], stopped["error"]) == ("cancelled", None)
        assert api.post(f"jobs/{job_id}/resume").json()["state"] in ("queued", "running")
        api.post(f"jobs/{job_id}/cancel")
        assert ended_job(api, job_id)["state"] == "cancelled"
        path = held.jobs.snapshot(job_id).request.path
        assert api.delete(f"jobs/{job_id}").status_code == 204
        assert api.get(f"jobs/{job_id}").status_code == 404 and not path.exists()
        submit(api)


@pytest.mark.slow
def test_a_job_in_the_trash_is_unknown(held: Services, gate: Gate) -> None:
    with client_of(gate, api_keys.create(ApiStore(held.store), "trash", jobs=2)) as api:
        job_id = submit(api)
        held.jobs.discard([job_id])
        for method, path in (
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/reports/json"),
            ("DELETE", ""),
            ("POST", "/resume"),
        ):
            assert api.request(method, f"jobs/{job_id}{path}").status_code == 404
        assert api.get("jobs").json()["total"] == 0
        held.jobs.trash.restore([job_id])
        path = held.jobs.snapshot(job_id).request.path
        assert api.get(f"jobs/{job_id}").json()["state"] == "cancelled"
        assert api.delete(f"jobs/{job_id}").status_code == 204  # for good
        assert held.jobs.trash.entries() == [] and not path.exists()


def test_the_same_analysis_is_not_done_twice(api: TestClient, services: Services, gate: Gate, tmp_path: Path) -> None:
    gate.services = replace(services, jobs=queue(services.store, script(), tmp_path / "same", sha256="ab" * 32))
    source = uploaded(api)
    first = api.post("jobs", json={"source": source}).json()["id"]
    ended_job(api, first)
    assert api.post("jobs", json={"source": source}).json()["id"] == first
    forced = api.post("jobs", json={"source": source, "force": True}).json()["id"]
    assert forced != first
    ended_job(api, forced)
    gate.services.jobs.close()
