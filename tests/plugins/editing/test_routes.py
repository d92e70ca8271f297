"""Clips that the page saves: of a finding, of a range, of several at once, and what can't be saved."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import av
import pytest
from starlette.testclient import TestClient

from framelens.api import AllowedHosts, Gate
from framelens.composition import Services
from framelens.core.domain import Analysis
from framelens.plugins.editing.clips.downloads import parse_pieces, piece_text
from framelens.plugins.editing.clips.pieces import Piece, pieces_of
from framelens.plugins.editing.routes import routes
from framelens.video.files import sha256_of
from tests.media import cards, write_video
from tests.reports.content.test_labels import rich


def test_every_route_has_its_role() -> None:
    assert [one.roles for one in routes(Gate(AllowedHosts()), "/api")] == [  # type: ignore[attr-defined]
        {"GET /api/jobs/{id}/clips": "viewer"},
        {"GET /api/videos/{id}/clips": "viewer"},
    ]


def test_pieces_are_written_as_they_are_read() -> None:
    pieces = [replace(one, name="", doubts="") for one in pieces_of(rich(), 0.25)]
    own, others = [",".join(piece_text(one, job_id) for one in pieces) for job_id in ("", "film-1_a")]
    assert list(parse_pieces(f"{own},{others}")) == [(name, one) for name in ("", "film-1_a") for one in pieces]
    assert [piece_text(one) for one in (*pieces[-2:], Piece("", 0, "", 1 / 3, None))] == [
        "f2@0.25-1.25",
        "f3@6.25-8.25",
        "r@0.333333-",
    ]


def add_video(services: Services, path: Path, name: str) -> str:
    film = path.read_bytes()
    upload = services.videos.create_upload(name, len(film))
    with services.videos.part(upload.id, 0) as part:
        part.write(film)
    return services.videos.finish(upload.id)


def add_job(services: Services, video_id: str, job_id: str) -> str:
    path, name = services.videos.path(video_id), services.videos.name(video_id)
    made: Analysis = replace(rich(), sha256=sha256_of(path))
    job = services.reports.add(replace(made, id=job_id, video=replace(made.video, name=name)))
    services.videos.keep_copy_of(made.sha256, video_id)
    return job


@pytest.fixture
def video_id(services: Services, tmp_path: Path) -> str:
    film = write_video(tmp_path / "film.mp4", cards(["red", "green", "blue"], 30), rate=10)
    return add_video(services, film, "my film?.mp4")


@pytest.fixture
def job_id(services: Services, video_id: str) -> str:
    return add_job(services, video_id, "film123456")


@pytest.fixture
def other_job_id(services: Services, tmp_path: Path) -> str:
    film = write_video(tmp_path / "other.mp4", cards(["white", "blue"], 40, width=96, height=128), rate=10)
    return add_job(services, add_video(services, film, "upright.mp4"), "other_12345")


def num_frames(data: bytes) -> int:
    with av.open(BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.slow
def test_finding_and_range_are_saved(client: TestClient, job_id: str, video_id: str, tmp_path: Path) -> None:
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces=f1@1-2.5")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "video/mp4"
    assert "A%20man%20walks%20by._00-01.000_00-02.500.mp4" in answer.headers["Content-Disposition"]
    assert num_frames(answer.content) == 15
    whole = client.get(f"/api/videos/{video_id}/clips?pieces=r@0-&mode=fast")
    assert num_frames(whole.content) == 90 and "my%20film__00-00.000_00-09.000" in whole.headers["Content-Disposition"]
    assert not [*Path(tmp_path).rglob("framelens-*")]


@pytest.mark.slow
def test_several_are_a_zip_with_what_is_left_out(client: TestClient, job_id: str) -> None:
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces=f1@0-1,c2@4-5,f1@0-1,r@50-51&lang=en")
    assert answer.headers["Content-Type"] == "application/zip"
    with ZipFile(BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert names[:3] == [
            "A man walks by._00-00.000_00-01.000.mp4",
            "He is back_00-04.000_00-05.000.mp4",
            "A man walks by._00-00.000_00-01.000-2.mp4",
        ]
        assert num_frames(archive.read(names[1])) == 10
        assert len(names) == 4 and b"00:09.000" in archive.read(names[3])


@pytest.mark.slow
def test_reel_is_one_file_with_chapters(client: TestClient, job_id: str) -> None:
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces=f1@0-1,c2@4-5.5&reel=1&chapters=1&subtitles=1")
    assert (
        answer.headers["Content-Type"] == "video/mp4" and "my%20film_.reel.mp4" in answer.headers["Content-Disposition"]
    )
    with av.open(BytesIO(answer.content)) as container:
        chapters = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert chapters == ["A man walks by.", "He is back"] and sum(1 for _ in container.decode(video=0)) == 25


@pytest.mark.slow
def test_pieces_of_several_videos(client: TestClient, job_id: str, other_job_id: str) -> None:
    pieces = f"f1@0-1,{other_job_id}:c2@4-5.5,f1@1-2"
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces={pieces}&reel=1&chapters=1")
    assert "my%20film_.reel.mp4" in answer.headers["Content-Disposition"]
    with av.open(BytesIO(answer.content)) as container:
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert titles == ["A man walks by.", "He is back", "A man walks by."]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 35 and frames[0][60, 80, 0] > 200 and not frames[34][60, 80, 1] > 200
    upright = frames[12]  # black edges beside the blue card
    assert upright[60, 80, 2] > 200 and upright[60, 5].max() < 40
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces={pieces},{other_job_id}:r@50-&lang=en")
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.namelist()[:3] == [
            "my film_/A man walks by._00-00.000_00-01.000.mp4",
            "my film_/A man walks by._00-01.000_00-02.000.mp4",
            "upright/He is back_00-04.000_00-05.500.mp4",
        ]
        assert archive.read(archive.namelist()[3]).startswith(b"upright/")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("pieces=f1@0-1&mode=smart", 400),
        ("pieces=", 400),
        ("pieces=x@0-1", 400),
        ("pieces=r@-1-2", 400),
        ("pieces=r@0-1,unknown12345:r@0-1", 404),
        ("pieces=a:r@0-1", 400),
        ("pieces=r@2-1", 400),
        ("pieces=r@0-9999", 400),
        ("pieces=" + ",".join(["r@0-1"] * 101), 400),
        ("pieces=" + ",".join(["f1@0-1"] * 5000), 400),
    ],
)
def test_what_cannot_be_saved_is_said(client: TestClient, job_id: str, query: str, status: int) -> None:
    english, chinese = (client.get(f"/api/jobs/{job_id}/clips?{query}&lang={one}") for one in ("en", "zh"))
    assert english.status_code == chinese.status_code == status
    assert re.search("[一-鿿]", chinese.json()["error"]) and not re.search("[一-鿿]", english.json()["error"])


def test_video_that_is_elsewhere_is_said(client: TestClient, services: Services) -> None:
    job_id = services.reports.add(replace(rich(), id="elsewhere1"))
    answer = client.get(f"/api/jobs/{job_id}/clips?pieces=f1@0-1&lang=en")
    assert answer.json()["key"] == "clip_without_video"
    assert client.get("/api/jobs/unknown12345/clips?pieces=f1@0-1").status_code == 404
    assert client.get("/api/videos/unknown12345/clips?pieces=r@0-1").status_code == 404
