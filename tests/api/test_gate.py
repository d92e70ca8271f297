"""No route answers a foreign page or a caller without the key, and no fault shows its inside."""

from __future__ import annotations

import logging

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.api import Gate, routes
from app.core.domain import AnalysisRequest
from app.services.container import Services
from tests.api.conftest import ALLOWED
from tests.ui.fake_services import ended, keyframes

PLACES = [
    ("POST", "/api/uploads"),
    ("HEAD", "/api/uploads/abcdefghijklmnop"),
    ("PATCH", "/api/uploads/abcdefghijklmnop"),
    ("GET", "/api/videos/abcdefghijklmnop"),
    ("GET", "/api/jobs/abc/frames/1.jpg"),
]


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "headers",
    [
        {"FrameLens-Key": ""},
        {"FrameLens-Key": "wrong"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example", "Origin": "http://testserver"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "http://testserver:9999"},
    ],
)
def test_a_stranger_is_refused_at_every_route(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    assert client.request(method, path, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://testserver", "https://video.example"])
def test_the_app_itself_and_named_origins_are_let_in(client: TestClient, services: Services, origin: str) -> None:
    video = services.videos.sample()
    assert client.get(f"/api/videos/{video}", headers={"Origin": origin}).status_code == 200


def test_key_is_accepted_in_the_query(gate: Gate, services: Services) -> None:
    with TestClient(Starlette(routes=routes(gate))) as bare:
        assert bare.get(f"/api/videos/{services.videos.sample()}?key={gate.key}").status_code == 200


def test_any_place_of_a_video_is_there_at_once(client: TestClient, services: Services) -> None:
    answer = client.get(f"/api/videos/{services.videos.sample()}", headers={"Range": "bytes=256-259"})
    assert (answer.status_code, answer.content) == (206, bytes([0, 1, 2, 3]))
    assert answer.headers["content-range"] == "bytes 256-259/2048"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "video/mp4"


def test_html_named_as_video_is_never_rendered(client: TestClient, services: Services) -> None:
    upload = services.videos.create_upload("evil.html", 8)
    services.videos.append(upload.id, 0, [b"<script>"])
    answer = client.get(f"/api/videos/{services.videos.finish(upload.id)}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_the_frames_of_an_analysis_are_served_by_their_index(client: TestClient, services: Services) -> None:
    job = services.jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="sample")
    ended(services, job)
    answer = client.get(f"/api/jobs/{job}/frames/10.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content == keyframes()[1].jpeg
    assert client.get(f"/api/jobs/{job}/frames/11.jpg").json()["key"] == "frame_unknown"
    assert client.get("/api/jobs/nobody/frames/1.jpg").json()["key"] == "job_unknown"


def test_bug_is_a_sentence_and_its_cause_only_logged(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services.videos, "path", lambda _: 1 / 0)
    with caplog.at_level(logging.ERROR, logger="app.api.gate"):
        answer = client.get("/api/videos/abcdefghijklmnop")
    assert answer.status_code == 500
    assert answer.json()["key"] == "internal"
    assert "Traceback" not in answer.text
    assert "division by zero" in caplog.text


def test_before_the_services_are_open_the_routes_say_so() -> None:
    gate = Gate(ALLOWED)
    with TestClient(Starlette(routes=routes(gate, "/base")), headers={"FrameLens-Key": gate.key}) as client:
        assert client.get("/base/api/videos/abcdefghijklmnop").status_code == 503


def test_an_address_that_climbs_out_finds_nothing(client: TestClient) -> None:
    assert client.get("/api/videos/..%2F..%2Fetc%2Fpasswd").status_code == 404
