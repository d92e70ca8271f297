"""The batch that the page saves."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from starlette.testclient import TestClient

from framelens.api import AllowedHosts, Gate
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.routes import routes
from tests.reports.test_questions import asked


def test_every_route_has_its_role() -> None:
    (route,) = routes(Gate(AllowedHosts()), "/api")
    assert route.roles == {"GET /api/batches/{id}.zip": "viewer"}  # type: ignore[attr-defined]


def test_a_batch_is_saved(client: TestClient, services: Services) -> None:
    job_id = services.reports.add(replace(asked(), id="job123456"))
    video = BatchVideo("", Path("clip.mp4"), "clip.mp4", job_id=job_id)
    BatchRepository(services.store).add(Batch("monday", (video,), AnalysisRequest(Path("x")), name="Monday"))
    with ZipFile(BytesIO(client.get("/api/batches/monday.zip").content)) as archive:
        assert {"summary.html", "summary.json"} < set(archive.namelist())


def test_an_unknown_batch_is_said_in_both_languages(client: TestClient) -> None:
    english, chinese = (client.get(f"/api/batches/nothing12345.zip?lang={spoken}") for spoken in ("en", "zh"))
    assert english.status_code == chinese.status_code == 404
    assert re.search("[一-鿿]", chinese.json()["error"]) and not re.search("[一-鿿]", english.json()["error"])
