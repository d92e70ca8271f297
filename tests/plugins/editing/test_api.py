"""Clips through the API for programs: what can be cut out of a job's video, and the files."""

from collections.abc import Iterator
from io import BytesIO
from zipfile import ZipFile

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens.api import Gate, routes
from framelens.composition import Services
from framelens.core.roles import LOCAL_USER, as_user
from tests.plugins.editing.test_routes import job_id, num_frames, video_id  # noqa: F401

api_keys = pytest.importorskip("framelens.plugins.server.api_keys", reason="the plugin server serves the API")
api_records = pytest.importorskip("framelens.plugins.server.api_records")


@pytest.fixture
def api(gate: Gate, services: Services) -> Iterator[TestClient]:
    with as_user(LOCAL_USER):
        key = api_keys.create(api_records.ApiStore(services.store), "tests")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
    with TestClient(Starlette(routes=routes(gate)), base_url="http://testserver/api/v1/", headers=headers) as client:
        yield client


@pytest.mark.slow
def test_pieces_are_listed_with_their_times(api: TestClient, job_id: str) -> None:  # noqa: F811
    pieces = api.get(f"jobs/{job_id}/clips").json()["pieces"]
    assert [(one["kind"], one["number"], one["start_seconds"], one["end_seconds"]) for one in pieces] == [
        ("chapter", 1, 0.0, 4.0),
        ("chapter", 2, 4.0, 9.0),
        ("finding", 1, 0.0, 2.5),
        ("finding", 2, 0.0, 3.0),
        ("finding", 3, 4.5, 9.0),
    ]
    assert "/jobs/{job_id}/clips" in api.get("openapi.json").json()["paths"]


@pytest.mark.slow
def test_clips_are_the_answer(api: TestClient, job_id: str) -> None:  # noqa: F811
    one = api.post(f"jobs/{job_id}/clips", json={"pieces": [{"kind": "finding", "number": 1, "end_seconds": 1}]})
    assert one.headers["Content-Type"] == "video/mp4" and num_frames(one.content) == 10
    pieces = [{"kind": "chapter", "number": 2}, {"start_seconds": 1, "end_seconds": 2}]
    several = api.post(f"jobs/{job_id}/clips", json={"pieces": pieces, "mode": "fast"})
    with ZipFile(BytesIO(several.content)) as archive:
        assert len(archive.namelist()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"pieces": [{"kind": "finding", "number": 9}]}, 409, "no finding 9"),
        ({"pieces": []}, 422, "pieces"),
        ({"pieces": [{"start_seconds": 0}] * 5000}, 422, "pieces"),
        ({"pieces": [{"start_seconds": 2, "end_seconds": 1}]}, 409, "empty"),
        ({"pieces": [{"start_seconds": 50, "end_seconds": 51}]}, 409, "00:09.000"),
        ({"pieces": [{}], "mode": "smart"}, 422, "mode"),
    ],
)
def test_what_cannot_be_cut_is_a_problem(
    api: TestClient,
    job_id: str,  # noqa: F811
    body: object,
    status: int,
    said: str,
) -> None:
    answer = api.post(f"jobs/{job_id}/clips", json=body)
    assert said in answer.json()["detail"] and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code == status
