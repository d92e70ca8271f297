"""Routes for frames, videos, stills, covers and exports, as the page asks for them."""

import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from framelens.api import Gate
from framelens.composition import Services
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.videos.video_repository import VideoRepository
from framelens.video import stills
from tests.app.fake_services import keyframes
from tests.cards import draw_card, to_jpeg
from tests.media import cards, write_video
from tests.reports.test_reports import analysis


@pytest.fixture
def url(gate: Gate, services: Services, tmp_path: Path) -> str:
    path = write_video(
        tmp_path / "old.avi", cards(["red", "green", "blue"], 10, 320, 192), codec="mpeg4", rate=10, options={"g": "10"}
    )
    shelf = VideoRepository(tmp_path / "shelf", (tmp_path,), path)
    gate.services = replace(services, videos=shelf)
    return f"/api/videos/{shelf.from_path(str(path))}/stills"


def brightest(data: bytes) -> tuple[int, str]:
    """The width of a picture and its strongest colour."""
    image = Image.open(BytesIO(data)).convert("RGB")
    levels = dict(zip(("red", "green", "blue"), image.resize((1, 1)).getpixel((0, 0)), strict=True))  # type: ignore[arg-type]
    return image.width, max(levels, key=lambda name: levels[name])


@pytest.mark.slow
def test_the_frame_on_show_comes_with_its_time(client: TestClient, url: str) -> None:
    found = {}
    for milliseconds in (0, 1000, 1050, 2999, 500, 99_000):
        answer = client.get(f"{url}/{milliseconds}.jpg?side=160")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        found[milliseconds] = (float(answer.headers["FrameLens-Time"]), *brightest(answer.content))
    assert found == {
        0: (0.0, 160, "red"),
        1000: (1.0, 160, "green"),
        1050: (1.0, 160, "green"),
        2999: (2.9, 160, "blue"),
        500: (0.5, 160, "red"),
        99_000: (2.9, 160, "blue"),
    }


@pytest.mark.slow
def test_a_picture_is_decoded_once_and_the_child_ends_when_idle(
    client: TestClient, gate: Gate, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stills, "_IDLE_SECONDS", 0.2)
    assert gate.services is not None
    kept = gate.services.stills
    first = client.get(f"{url}/1000.jpg?side=160").content
    while kept._child is not None:
        time.sleep(0.05)
    assert client.get(f"{url}/1000.jpg?side=160").content == first
    assert kept._child is None


@pytest.mark.slow
def test_memory_is_bounded(client: TestClient, gate: Gate, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate.services is not None
    kept = gate.services.stills
    size = len(client.get(f"{url}/0.jpg?side=160").content)
    monkeypatch.setattr(stills, "_KEPT_BYTES", 3 * size)
    for milliseconds in range(100, 2900, 300):
        assert client.get(f"{url}/{milliseconds}.jpg?side=160").status_code == 200
    assert kept._num_bytes <= 3 * size


@pytest.mark.slow
def test_what_cannot_be_had_is_refused_in_words(client: TestClient, gate: Gate, url: str, tmp_path: Path) -> None:
    for side in ("0", "99999", "x"):
        answer = client.get(f"{url}/0.jpg?side={side}")
        assert (answer.status_code, answer.json()["key"]) == (400, "picture_side")
    assert client.get("/api/videos/unknown_unknown_unknown/stills/0.jpg").status_code == 404
    (tmp_path / "old.avi").write_bytes(b"no video")
    answer = client.get(f"{url}/0.jpg")
    assert answer.json()["key"] == "video_not_a_video"
    assert client.get(f"{url}/0.jpg", headers={"FrameLens-Key": "wrong"}).status_code == 403


def test_frame_is_shrunk_but_never_enlarged(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = to_jpeg(draw_card("red", width=640, height=360))
    frame = replace(keyframes()[0], width=640, height=360, jpeg=picture)
    job = JobSnapshot(
        "job", "clip", "2026-01-01", AnalysisRequest(Path("clip.mp4")), progress=AnalysisState(keyframes=(frame,))
    )
    monkeypatch.setattr(services.jobs, "snapshot", lambda _: job)
    small = client.get("/api/jobs/job/frames/0.jpg?side=320")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(small.content)).size == (320, 180)
    assert client.get("/api/jobs/job/frames/0.jpg?side=1000").content == picture
    for side in ("0", "9999999", "x", "-64", "６４"):
        answer = client.get(f"/api/jobs/job/frames/0.jpg?side={side}")
        assert (answer.status_code, answer.json()["key"]) == (400, "picture_side")


def test_a_small_picture_of_each_analysis(client: TestClient, services: Services) -> None:
    job_id = services.jobs.import_report(analysis(id="job123456"))
    answer = client.get(f"/api/library/{job_id}.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert max(Image.open(BytesIO(answer.content)).size) <= 320
    assert answer.headers["cache-control"] == "private, no-store", "it can't be read after a logout"
    assert client.get("/api/library/nobody.jpg").status_code == 404
