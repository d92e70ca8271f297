"""Videos that the server fetches for a job, from a local server and from a missing server."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from starlette.testclient import TestClient

from framelens.api import Gate
from framelens.composition import Services
from framelens.core.codec import to_json
from framelens.core.domain import AnalysisRequest
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore, SubmissionRow
from framelens.plugins.server.parts import submissions_of
from framelens.plugins.server.submissions import Submission, VideoSource
from framelens.store.videos import arriving_video
from framelens.store.videos.upload_limits import UploadLimits
from tests.loopback import Handler, listening
from tests.plugins.server.v1.conftest import Allow, client_of, ended_job


@pytest.fixture
def films(going: threading.Event) -> Iterator[str]:
    """The address of a server of videos."""

    class Films(Handler):
        def do_GET(self) -> None:
            if not self.path.partition("?")[0].endswith(".mp4"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            going.wait(60)
            self.wfile.write(b"half")

    with listening(Films) as url:
        yield url


def submit(api: TestClient, url: str, **given: object) -> str:
    answer = api.post("jobs", json={"source": {"type": "url", "url": url}, **given})
    assert answer.status_code == 202, answer.text  # whether the fetch has ended by now, only its pace decides
    return str(answer.json()["id"])


def test_a_listed_address_is_fetched_and_analysed(api: TestClient, allow: Allow, films: str) -> None:
    services = allow(f"{films}/")
    job_id = submit(api, f"{films}/cam%201/door.mp4?token=abc")
    job = ended_job(api, job_id)
    assert (job["state"], job["name"]) == ("done", "door.mp4")
    path = services.jobs.snapshot(job_id).request.path
    assert path.read_bytes() == b"halfhalf"
    assert api.get("jobs").json()["fetching"] == []
    assert api.delete(f"jobs/{job_id}").status_code == 204
    assert not path.exists()


def test_an_address_is_read_as_it_is_typed(api: TestClient, allow: Allow) -> None:
    services = allow("http://xn--fsqu00a.xn--0zwm56d:8080/")
    fetch = submissions_of(services).get(submit(api, "HTTP://例子.测试:8080/门口 1.mp4"))
    assert fetch and fetch.submission.source.value == "http://xn--fsqu00a.xn--0zwm56d:8080/%E9%97%A8%E5%8F%A3%201.mp4"


@pytest.mark.parametrize("url", ["https:///a.mp4", "http://", "https://例子:x/"])
def test_an_address_without_a_host_is_named(api: TestClient, url: str) -> None:
    answer = api.post("jobs", json={"source": {"type": "url", "url": url}})
    assert (answer.status_code, answer.json()["key"]) == (409, "url_invalid")


def test_progress_of_a_fetch_is_reported(api: TestClient, allow: Allow, films: str, going: threading.Event) -> None:
    allow(films)
    going.clear()
    job_id = submit(api, f"{films}/a.mp4", name="door", language="zh")
    while (job := api.get(f"jobs/{job_id}").json())["received_bytes"] != 4:
        assert job["state"] == "fetching"
    assert (job["size_bytes"], job["name"], job["language"], job["is_over"]) == (8, "door", "zh", False)
    assert [one["id"] for one in api.get("jobs").json()["fetching"]] == [job_id]
    assert api.get(f"jobs/{job_id}/reports/json").json()["key"] == "no_report_yet"
    assert api.post(f"jobs/{job_id}/questions", json={"question": "What?"}).json()["key"] == "no_report_yet"
    going.set()
    assert ended_job(api, job_id)["state"] == "done"


def test_a_fetch_is_cancelled_and_deleted(api: TestClient, allow: Allow, films: str, going: threading.Event) -> None:
    services = allow(films)
    going.clear()
    job_id = submit(api, f"{films}/a.mp4")
    api.post(f"jobs/{job_id}/cancel")
    going.set()
    assert ended_job(api, job_id)["state"] == "cancelled"
    assert api.delete(f"jobs/{job_id}").status_code == 204
    assert api.get(f"jobs/{job_id}").status_code == 404
    assert list(services.videos._parts.iterdir()) == []


@pytest.mark.parametrize(("file", "key"), [("gone", "url_refused"), ("big.mp4", "url_too_large")])
def test_a_failed_fetch_is_a_failed_job(api: TestClient, allow: Allow, films: str, file: str, key: str) -> None:
    services = allow(films, most_bytes=5)
    job = ended_job(api, submit(api, f"{films}/{file}"))
    assert (job["state"], job["error"]["key"]) == ("failed", key)
    assert (
        api.get(f"jobs/{job['id']}", headers={"Accept-Language": "zh"}).json()["error"]["detail"]
        != job["error"]["detail"]
    )
    assert list(services.videos._parts.iterdir()) == []


def test_an_unreachable_server_is_a_failed_job(api: TestClient, allow: Allow) -> None:
    allow("http://127.0.0.1:9/")
    for url in ("http://127.0.0.1:9/a.mp4",):
        assert ended_job(api, submit(api, url))["error"]["key"] == "url_unreachable"


@pytest.mark.parametrize(
    ("url", "status", "key"),
    [
        ("http://127.0.0.1:9/a.mp4", 403, "url_not_allowed"),
        ("http://media.example/../a.mp4", 409, "url_invalid"),
        ("ftp://media.example/a.mp4", 422, "api_body_wrong"),
    ],
)
def test_other_addresses_are_refused_at_once(api: TestClient, allow: Allow, url: str, status: int, key: str) -> None:
    allow("http://media.example/")
    answer = api.post("jobs", json={"source": {"type": "url", "url": url}})
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert api.get("jobs").json()["fetching"] == []


def test_a_listed_name_with_a_private_address_fails(api: TestClient, allow: Allow) -> None:
    allow("http://localhost:9/", private_networks=())
    assert ended_job(api, submit(api, "http://localhost:9/a.mp4"))["error"]["key"] == "address_private"


def test_fetches_count_as_jobs_of_the_key(gate: Gate, allow: Allow, films: str, going: threading.Event) -> None:
    services = allow(films)
    going.clear()
    key = api_keys.create(ApiStore(services.store), "one", jobs=1)
    with client_of(gate, key) as api:
        first = submit(api, f"{films}/a.mp4")
        assert api.post("jobs", json={"source": {"type": "url", "url": f"{films}/b.mp4"}}).json()["key"] == "api_jobs"
        going.set()
        ended_job(api, first)
        ended_job(api, submit(api, f"{films}/b.mp4"))


def test_a_fetch_of_a_program_that_is_gone_begins_again(api: TestClient, allow: Allow, films: str) -> None:
    services = allow(films)
    submission = Submission(VideoSource("url", f"{films}/a.mp4"), AnalysisRequest(services.videos._folder / "-"))
    row = SubmissionRow("interrupted1", "key", "2026-01-01T00:00:00.000+00:00", "fetching", "gone", to_json(submission))
    ApiStore(services.store).add_submission(row, 9)
    submissions_of(services).resume()
    assert ended_job(api, "interrupted1")["state"] == "done"


def test_the_end_of_the_program_keeps_a_fetch(
    services: Services, allow: Allow, api: TestClient, films: str, going: threading.Event
) -> None:
    opened = allow(films)
    fetching = submissions_of(dataclasses.replace(opened, _parts={}))
    key = ApiStore(services.store).keys()[0]
    going.clear()
    source = VideoSource("url", f"{films}/a.mp4")
    job_id = fetching.submit(key, Submission(source, AnalysisRequest(opened.videos._folder / "-")))
    closing = threading.Timer(0.2, going.set)
    closing.start()
    fetching.close()
    closing.join()
    stored = ApiStore(services.store).submission(job_id)
    assert stored and stored.state == "fetching"


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch, going: threading.Event) -> Iterator[str]:
    """The address of a server that doesn't say how long its video is, and sends a million bytes of it."""
    monkeypatch.setattr(arriving_video, "_EXPECTED_BYTES", 1000)

    class Endless(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a" * 100)
            self.wfile.flush()
            going.wait(60)
            with suppress(OSError):
                self.wfile.write(b"a" * 1_000_000)

    with listening(Endless) as url:
        yield url


def test_video_of_unknown_size_stays_within_the_quota(api: TestClient, allow: Allow, endless: str) -> None:
    services = allow(endless)
    services.videos._limits = UploadLimits(100_000, 9)
    job = ended_job(api, submit(api, f"{endless}/a.mp4"))
    assert (job["state"], job["error"]["key"]) == ("failed", "upload_too_large")
    assert list(services.videos._parts.iterdir()) == []


def test_videos_fetched_at_once_share_the_quota(
    api: TestClient, allow: Allow, endless: str, going: threading.Event
) -> None:
    services = allow(endless)
    services.videos._limits = UploadLimits(1500, 9)
    going.clear()
    first = submit(api, f"{endless}/a.mp4")
    while not list(services.videos._parts.glob("*.json")):
        time.sleep(0.01)
    second = ended_job(api, submit(api, f"{endless}/b.mp4"))
    assert (second["state"], second["error"]["key"]) == ("failed", "upload_quota")
    going.set()
    ended_job(api, first)
    assert list(services.videos._parts.iterdir()) == []
