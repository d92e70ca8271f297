"""The pictures of an analysis as a page asks for them, in the size that it has room for."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.core.domain import AnalysisRequest
from app.jobs import JobSnapshot
from app.services.container import Services
from tests.cards import draw_card, to_jpeg
from tests.ui.fake_services import keyframes


def test_frame_is_shrunk_but_never_enlarged(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = to_jpeg(draw_card("red", width=640, height=360))
    frame = replace(keyframes()[0], width=640, height=360, jpeg=picture)
    job = JobSnapshot("job", "clip", "2026-01-01", AnalysisRequest(Path("clip.mp4")), keyframes=(frame,))
    monkeypatch.setattr(services.jobs, "snapshot", lambda _: job)
    small = client.get("/api/jobs/job/frames/0.jpg?side=320")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(small.content)).size == (320, 180)
    assert client.get("/api/jobs/job/frames/0.jpg?side=1000").content == picture
    for side in ("0", "9999999", "x", "-64", "６４"):
        answer = client.get(f"/api/jobs/job/frames/0.jpg?side={side}")
        assert (answer.status_code, answer.json()["key"]) == (400, "picture_side")
