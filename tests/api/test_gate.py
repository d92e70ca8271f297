"""No route answers a foreign page or a caller without the key, and no fault shows its inside."""

import logging
import socket

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from framelens.api import AllowedHosts, Gate, PageProtection, content_policy, routes
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import InputError
from tests.api.conftest import ALLOWED
from tests.app.fake_services import ended, keyframes

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


def test_no_answer_may_be_stored_for_others(client: TestClient, services: Services) -> None:
    job = services.jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="sample")
    ended(services, job)
    for path in (f"/api/videos/{services.videos.sample()}", f"/api/library.zip?ids={job}", "/api/videos/nothing"):
        assert client.get(path).headers["cache-control"].startswith("private"), path


def test_any_place_of_a_video_is_there_at_once(client: TestClient, services: Services) -> None:
    answer = client.get(f"/api/videos/{services.videos.sample()}", headers={"Range": "bytes=256-259"})
    assert (answer.status_code, answer.content) == (206, bytes([0, 1, 2, 3]))
    assert answer.headers["content-range"] == "bytes 256-259/2048"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("odd", ["items=0-9", "bytes=9-2", "bytes=abc", "bytes=", "bytes=0-9,x"])
def test_a_range_that_is_none_gives_the_whole_video(client: TestClient, services: Services, odd: str) -> None:
    answer = client.get(f"/api/videos/{services.videos.sample()}", headers={"Range": odd})
    assert (answer.status_code, len(answer.content)) == (200, 2048), answer.text


def test_a_video_that_a_client_has_is_not_sent_again(client: TestClient, services: Services) -> None:
    path = f"/api/videos/{services.videos.sample()}"
    tag = client.head(path).headers["etag"]
    for known, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["etag"]) == (status, tag)


def test_html_named_as_video_is_never_rendered(client: TestClient, services: Services) -> None:
    upload = services.videos.create_upload("evil.html", 8)
    with services.videos.part(upload.id, 0) as part:
        part.write(b"<script>")
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
    with caplog.at_level(logging.ERROR, logger="framelens.api.gate"):
        answer = client.get("/api/videos/abcdefghijklmnop")
    assert answer.status_code == 500
    assert answer.json()["key"] == "internal"
    assert "Traceback" not in answer.text
    assert "division by zero" in caplog.text


def test_addresses_that_climb_out_find_nothing(client: TestClient) -> None:
    # Before the services are open the routes say so.
    gate = Gate(ALLOWED)
    with TestClient(Starlette(routes=routes(gate, "/base")), headers={"FrameLens-Key": gate.key}) as client:
        assert client.get("/base/api/videos/abcdefghijklmnop").status_code == 503
    # An address that climbs out finds nothing.
    assert client.get("/api/videos/..%2F..%2Fetc%2Fpasswd").status_code == 404


LOCAL = AllowedHosts.for_server("127.0.0.1")
OPEN = AllowedHosts.for_server("0.0.0.0")
NAMED = AllowedHosts.for_server("127.0.0.1", public_name="frames.example.org", public_port=8443)
LISTED = AllowedHosts.for_server("::1", more_names=["*.lab.example"], more_origins=["https://portal.example/"])


def is_let_in(allowed: AllowedHosts, host: str, origin: str | None = None) -> bool:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    try:
        allowed.check(Headers(headers))
    except InputError as error:
        assert error.key in ("route_host", "route_origin")
        return False
    return True


@pytest.mark.parametrize(
    ("allowed", "host", "origin"),
    [
        (LOCAL, "localhost:8501", "http://localhost:8501"),
        (LOCAL, "LocalHost.:8501", None),
        (LOCAL, "127.0.0.1:8501", "http://127.0.0.1:8501"),
        (LOCAL, "[::1]:8501", "http://[::1]:8501"),
        (LOCAL, "localhost:9000", "http://localhost:9000"),  # ssh -L 9000:localhost:8501
        (LOCAL, "localhost", "http://localhost:80"),
        (OPEN, "192.168.1.5:8501", "http://192.168.1.5:8501"),
        (OPEN, "[fd00::5]:8501", "http://[fd00::5]:8501"),
        (OPEN, f"{socket.gethostname()}:8501", None),
        (AllowedHosts.for_server(None), "10.0.0.2:8501", None),
        (AllowedHosts.for_server("gpu.lab.example"), "gpu.lab.example:8501", "http://gpu.lab.example:8501"),
        (NAMED, "frames.example.org", "https://frames.example.org"),
        (NAMED, "frames.example.org", "https://frames.example.org:8443"),
        (NAMED, "127.0.0.1:8501", "https://frames.example.org"),
        (LISTED, "one.lab.example:8501", "http://one.lab.example:8501"),
        (LISTED, "localhost:8501", "https://portal.example"),
    ],
)
def test_own_pages_are_let_in(allowed: AllowedHosts, host: str, origin: str | None) -> None:
    assert is_let_in(allowed, host, origin)


@pytest.mark.parametrize(
    ("allowed", "host", "origin"),
    [
        (LOCAL, "", None),
        (LOCAL, "evil.example:8501", "http://evil.example:8501"),
        (LOCAL, "localhost.evil.example:8501", None),
        (LOCAL, "user@localhost:8501", None),
        (LOCAL, "localhost:8501/..", None),
        (LOCAL, "localhost:8501,evil.example", None),
        (LOCAL, "192.168.1.5:8501", None),
        (LOCAL, "localhost:8501", "http://localhost:9999"),
        (LOCAL, "localhost:8501", "http://localhost"),
        (LOCAL, "localhost:8501", "http://127.0.0.1:8501"),
        (LOCAL, "localhost:8501", "null"),
        (LOCAL, "localhost:8501", "localhost:8501"),
        (LOCAL, "localhost:8501", "file://localhost:8501"),
        (OPEN, "evil.example:8501", "http://evil.example:8501"),
        (OPEN, "192.168.1.5:8501", "http://192.168.1.6:8501"),
        (NAMED, "127.0.0.1:8501", "https://frames.example.org:9"),
        (NAMED, "a.frames.example.org", None),
        (LISTED, "lab.example:8501", None),
        (LISTED, "evillab.example:8501", None),
    ],
)
def test_others_are_not(allowed: AllowedHosts, host: str, origin: str | None) -> None:
    assert not is_let_in(allowed, host, origin)


@pytest.mark.parametrize("path", ["/api/videos/abc%0a", "/%0a", "/a%00", "/a%7f", "/%e2%80%a8"])
def test_a_path_with_a_control_character_is_refused(gate: Gate, path: str) -> None:
    app = PageProtection(Starlette(routes=routes(gate)), allowed=ALLOWED, policy="")
    answer = TestClient(app).get(path)
    assert answer.status_code == 403 and "There is nothing at" in answer.text


def test_own_inline_scripts_are_allowed_by_hash() -> None:
    policy = content_policy("<script>\n  a()\n</script><script type=module src=b.js></script>")
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert scripts.count("sha256-") == 1
    assert "unsafe" not in scripts
