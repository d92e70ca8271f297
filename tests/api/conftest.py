"""The real routes over a real shelf, called as a program would call them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens.api import AllowedHosts, Gate, routes
from framelens.composition import Services
from tests.app.fake_services import open_fake, script

ALLOWED = AllowedHosts(frozenset({"testserver"}), origins=frozenset({"https://video.example"}))


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    sample = tmp_path / "sample.mp4"
    sample.write_bytes(bytes(range(256)) * 8)
    opened = open_fake(tmp_path / "data", run=script(), sample=sample)
    yield opened
    opened.close()


@pytest.fixture
def gate(services: Services) -> Gate:
    gate = Gate(ALLOWED)
    gate.services = services
    return gate


@pytest.fixture
def client(gate: Gate) -> Iterator[TestClient]:
    headers = {"FrameLens-Key": gate.key, "Tus-Resumable": "1.0.0"}
    with TestClient(Starlette(routes=routes(gate)), headers=headers) as client:
        yield client
