"""Which role each route asks for: a new route without an entry here fails, and nobody with less reaches it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from framelens.api import AllowedHosts, Gate, routes
from framelens.api.gate import GuardedRoute
from framelens.core.domain import AnalysisRequest, Language
from framelens.core.roles import Role, User, as_user
from framelens.i18n import LANGUAGES
from framelens.plugins.server import api_keys, webhooks
from framelens.plugins.server.v1.application import programs
from framelens.services.container import Services
from framelens.store.accounts import AccountRow, AccountStore
from framelens.store.api_records import ApiStore
from scripts.write_security_docs import DOCUMENTS, page_routes, program_routes, written
from tests.app.fake_services import ended
from tests.plugins.server.v1.conftest import client_of

OF_THE_PAGE: dict[str, Role | None] = {
    "POST /api/session": None,
    "GET /api/shared/{token}": None,
    "POST /api/uploads": "analyst",
    "HEAD /api/uploads/{id}": "analyst",
    "PATCH /api/uploads/{id}": "analyst",
    "POST /api/uploads/{id}/check": "analyst",
    "GET /api/jobs/{id}/frames/{index:int}.jpg": "viewer",
    "GET /api/videos/{id}": "viewer",
    "GET /api/videos/{id}/stills/{milliseconds:int}.jpg": "viewer",
    "GET /api/ask/pictures/{sha256}.jpg": "viewer",
    "GET /api/library/{id}.jpg": "viewer",
    "GET /api/jobs/{id}/exports/{name}": "viewer",
    "GET /api/conversations/{id}/exports/{name}": "viewer",
    "GET /api/batches/{id}.zip": "viewer",
    "GET /api/library.zip": "viewer",
}
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
    "POST /jobs/{job_id}/resume": "analyst",
    "DELETE /jobs/{job_id}": "analyst",
    "POST /jobs/{job_id}/questions": "analyst",
    "GET /conversations/{conversation_id}": "viewer",
    "GET /conversations/{conversation_id}/events": "viewer",
    "POST /webhooks": "analyst",
    "GET /webhooks": "viewer",
    "GET /webhooks/{webhook_id}": "viewer",
    "DELETE /webhooks/{webhook_id}": "analyst",
}
OPEN = {"/docs", "/docs/{name}", "/openapi.json"}
"""Paths of the API without a key: the document and the page that shows it."""


def test_every_route_has_its_role() -> None:
    assert page_routes() == OF_THE_PAGE
    assert program_routes() == {name.replace(" ", " /api/v1"): role for name, role in OF_PROGRAMS.items()}


def test_no_other_route_is_open() -> None:
    others = [one for one in routes(Gate(AllowedHosts())) if not isinstance(one, GuardedRoute)]
    assert [str(getattr(one, "path", "")) for one in others] == ["/api/v1"]
    plain = [one for one in programs().routes if not isinstance(one, APIRoute)]
    assert {str(getattr(one, "path", "")) for one in plain} == OPEN | {"/uploads", "/uploads/{id}"}  # the latter of tus


@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_have_the_tables_of_roles(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert written(text, language) == text, "run: python scripts/write_security_docs.py"


@pytest.fixture
def viewer_key(services: Services) -> str:
    accounts = AccountStore(services.store)
    accounts.add(AccountRow("u1", "ada", "administrator", "", ""))
    accounts.add(AccountRow("u2", "vic", "viewer", "", ""))
    return api_keys.create(ApiStore(services.store), "vic", account_id="u2")


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


@pytest.mark.parametrize(("role", "state"), [("viewer", "failed"), (None, "failed"), ("analyst", "done")])
def test_a_job_runs_with_the_role_its_owner_has_now(services: Services, role: Role | None, state: str) -> None:
    accounts = AccountStore(services.store)
    accounts.add(AccountRow("u1", "ada", "administrator", "", ""))
    if role:
        accounts.add(AccountRow("u2", "bob", role, "", ""))
    with as_user(User("u2", "bob", "analyst")):  # the role when it was submitted
        upload = services.videos.create_upload("clip.mp4", 4)
        with services.videos.part(upload.id, 0) as part:
            part.write(b"film")
        path = services.videos.path(services.videos.finish(upload.id))
        job = ended(services, services.jobs.submit(AnalysisRequest(path, language="en"), name="clip.mp4"))
    assert job.state == state
    assert (job.failure.key if job.failure else "") == ("role_analyst" if state == "failed" else "")
