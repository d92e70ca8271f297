"""The library's pictures, and its reports as a ZIP that another machine takes in."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from starlette.testclient import TestClient

from app.jobs.shelf import reports_of
from app.wiring import Services
from tests.reports.test_reports import analysis


def test_a_small_picture_of_each_analysis(client: TestClient, services: Services) -> None:
    job_id = services.jobs.take_in(analysis(id="job123456"))
    answer = client.get(f"/api/library/{job_id}.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert max(Image.open(BytesIO(answer.content)).size) <= 320
    assert client.get("/api/library/nobody.jpg").status_code == 404


def test_reports_go_out_as_one_zip(client: TestClient, services: Services) -> None:
    ids = [services.jobs.take_in(analysis(id=f"job12345{number}")) for number in range(2)]
    answer = client.get(f"/api/library.zip?ids={','.join(ids)}&formats=json,markdown")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert [one.id for one in reports_of(BytesIO(answer.content), name="x.zip")] == ids


def test_nothing_chosen_is_said(client: TestClient) -> None:
    for query in ("", "?ids=../x", "?ids=a&formats=nothing", f"?ids={','.join(['abc'] * 501)}"):
        answer = client.get(f"/api/library.zip{query}")
        assert (answer.status_code, answer.json()["key"]) == (400, "nothing_to_export")
