"""The API on the scripted services of the page's tests, with a key, called in the process."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens import config
from framelens.api import Gate, routes
from framelens.composition import Services, open_services
from framelens.core.links import SourceSettings
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from tests.app.fake_services import open_fake, script, with_bench

HOST, BASE = "http://testserver", "/api/v1"
LOOPBACK = ("127.0.0.0/8",)
Allow = Callable[..., Services]


def client_of(gate: Gate, api_key: str = "") -> TestClient:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return TestClient(Starlette(routes=routes(gate)), base_url=f"{HOST}{BASE}/", headers=headers)


def uploaded(api: TestClient, content: bytes = b"a video", name: str = "clip.mp4") -> dict[str, str]:
    """The source that names a complete upload of these bytes."""
    tus = {"Tus-Resumable": "1.0.0"}
    named = f"filename {base64.b64encode(name.encode()).decode()}"
    made = api.post("uploads", headers={**tus, "Upload-Length": str(len(content)), "Upload-Metadata": named})
    assert made.status_code == 201, made.text
    piece = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = api.patch(HOST + made.headers["location"], content=content, headers=piece)
    assert sent.status_code == 204, sent.text
    return {"type": "upload", "id": made.headers["location"].rsplit("/", 1)[1]}


def ended_job(api: TestClient, job_id: str) -> dict[str, Any]:
    while not (job := api.get(f"jobs/{job_id}").json())["is_over"]:
        time.sleep(0.02)
    return dict(job)


def services_on(base_url: str, folder: Path) -> Iterator[Services]:
    """Services that ask a scripted engine; closed when they are asked for again."""
    environ = {"FRAMELENS_DATA_DIR": str(folder / "data"), "FRAMELENS_BASE_URL": base_url}
    opened = open_services(config.load(environ, dotenv=folder / "no.env"))
    yield opened
    opened.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    sample = tmp_path / "sample.mp4"
    sample.write_bytes(bytes(range(256)) * 8)
    opened = open_fake(tmp_path / "data", run=script(), sample=sample)
    yield opened
    opened.close()


@pytest.fixture
def api_key(services: Services) -> str:
    return api_keys.create(ApiStore(services.store), "tests", per_minute=10_000)


@pytest.fixture
def api(gate: Gate, api_key: str) -> Iterator[TestClient]:
    with client_of(gate, api_key) as client:
        yield client


@pytest.fixture
def allow(gate: Gate, services: Services) -> Allow:
    """Let the API fetch from these addresses, and reach these networks."""

    def set_sources(*urls: str, private_networks: tuple[str, ...] = LOOPBACK, **more: Any) -> Services:
        sources = SourceSettings(urls, private_networks, **more)
        changed = replace(services.settings, sources=sources)
        gate.services = replace(with_bench(services, settings=changed), _parts={})
        return gate.services

    return set_sources
