"""The library's pictures, and its reports as a ZIP that another machine takes in."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

from PIL import Image
from starlette.testclient import TestClient

from app.jobs.snapshot import imported_job, to_row
from app.library.bulk_operations import reports_of
from app.services.container import Services
from tests.reports.test_reports import analysis


def test_a_small_picture_of_each_analysis(client: TestClient, services: Services) -> None:
    job_id = services.jobs.import_report(analysis(id="job123456"))
    answer = client.get(f"/api/library/{job_id}.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert max(Image.open(BytesIO(answer.content)).size) <= 320
    assert client.get("/api/library/nobody.jpg").status_code == 404


def test_reports_go_out_as_one_zip(client: TestClient, services: Services) -> None:
    ids = [services.jobs.import_report(analysis(id=f"job12345{number}")) for number in range(2)]
    answer = client.get(f"/api/library.zip?ids={','.join(ids)}&formats=json,markdown")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert [one.id for one in reports_of([("x.zip", BytesIO(answer.content))])] == ids


def test_zip_names_what_has_no_report_in_it(client: TestClient, services: Services) -> None:
    with_report = services.jobs.import_report(analysis(id="job123456"))
    without = "job999999"
    job = replace(imported_job(analysis(id=without)), name="gate.mp4", state="cancelled", analysis=None)
    services.store.save(to_row(job, ""))
    answer = client.get(f"/api/library.zip?ids={with_report},{without}&formats=json&language=en")
    with ZipFile(BytesIO(answer.content)) as archive:
        assert [name.rpartition(".")[2] for name in archive.namelist()] == ["json", "txt"]
        assert archive.read("left out.txt").decode() == f"gate.mp4: no report (cancelled) ({without})\n"
    answer = client.get(f"/api/library.zip?ids={with_report},{without}&formats=json&language=zh")
    assert "未导出.txt" in ZipFile(BytesIO(answer.content)).namelist()


def test_nothing_chosen_is_said(client: TestClient) -> None:
    for query in ("", "?ids=../x", "?ids=a&formats=nothing", f"?ids={','.join(['abc'] * 501)}"):
        answer = client.get(f"/api/library.zip{query}")
        assert (answer.status_code, answer.json()["key"]) == (400, "nothing_to_export")
