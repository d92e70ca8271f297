"""Which role each route of the plugin asks for: a new route without an entry here fails."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute

from framelens.api import AllowedHosts, Gate
from framelens.composition import Services
from framelens.core.roles import Role
from framelens.plugins.server import api_keys, webhooks
from framelens.plugins.server.api_records import ApiStore
from framelens.plugins.server.routes import routes
from framelens.plugins.server.v1.application import programs
from tests.plugins.server.v1.conftest import client_of
from tests.users import ADA, EVE, add_users

OF_PROGRAMS: dict[str, Role] = {
    "GET /": "viewer",
    "POST /uploads": "analyst",
    "GET /uploads/{upload_id}": "analyst",
    "PATCH /uploads/{upload_id}": "analyst",
    "POST /jobs": "analyst",
    "GET /jobs": "viewer",
    "GET /jobs/{job_id}": "viewer",
    "GET /jobs/{job_id}/events": "viewer",
    "GET /jobs/{job_id}/reports/{name}": "viewer",
    "POST /jobs/{job_id}/cancel": "analyst",
    "GET /jobs/{job_id}/speakers": "viewer",
    "PATCH /jobs/{job_id}/speakers": "analyst",
    "POST /jobs/{job_id}/resume": "analyst",
    "DELETE /jobs/{job_id}": "analyst",
    "POST /jobs/{job_id}/questions": "analyst",
    "POST /questions": "analyst",
    "GET /conversations/{conversation_id}": "viewer",
    "GET /conversations/{conversation_id}/events": "viewer",
    "POST /webhooks": "analyst",
    "GET /webhooks": "viewer",
    "GET /webhooks/{webhook_id}": "viewer",
    "DELETE /webhooks/{webhook_id}": "analyst",
}
OPEN = {"/docs", "/docs/{name}", "/openapi.json"}
"""Paths of the API without a key: the document and the page that shows it."""


def test_every_route_has_its_role(use_plugins: Callable[..., None]) -> None:
    use_plugins()
    (programs,) = routes(Gate(AllowedHosts()), "/api")
    expected = {name.replace(" ", " /api/v1"): role for name, role in OF_PROGRAMS.items()}
    assert programs.roles == expected  # type: ignore[attr-defined]


def test_no_other_route_is_open() -> None:
    plain = [one for one in programs().routes if not isinstance(one, APIRoute)]
    assert {str(getattr(one, "path", "")) for one in plain} == OPEN | {"/uploads", "/uploads/{id}"}  # the latter of tus


@pytest.fixture
def viewer_key(services: Services) -> str:
    add_users(services.store, ADA, EVE)
    return api_keys.create(ApiStore(services.store), "eve", account_id=EVE.id)


@pytest.mark.parametrize("name", [name for name, role in OF_PROGRAMS.items() if role != "viewer"])
def test_a_viewers_key_gets_403_whatever_it_sends(gate: Gate, viewer_key: str, name: str) -> None:
    method, _, path = name.partition(" ")
    with client_of(gate, viewer_key) as api:
        for body in ({}, {"url": "http://127.0.0.1:1/"}, {"source": {"type": "url", "url": "https://a.example/b.mp4"}}):
            for headers in ({}, {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}):
                place = re.sub(r"\{\w+\}", "abc", path).removeprefix("/")
                answer = api.request(method, place, json=body, headers=headers)
                assert (answer.status_code, answer.json()["key"]) == (403, "role_analyst")


def test_a_viewers_webhook_and_video_are_never_looked_up(
    gate: Gate, services: Services, viewer_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any) -> None:
        raise AssertionError("a viewer had the server look something up")

    monkeypatch.setattr(webhooks.Outbound, "resolve", asked)
    monkeypatch.setattr(webhooks.Outbound, "check_source", asked)
    with client_of(gate, viewer_key) as api:
        assert api.post("webhooks", json={"url": "https://a.example/"}).status_code == 403
        source = {"type": "url", "url": "https://a.example/b.mp4"}
        assert api.post("jobs", json={"source": source}).status_code == 403
    assert ApiStore(services.store).fetches("fetching", "failed") == []
