"""Which role each route asks for: a new route without an entry here fails, and nobody with less reaches it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from framelens.api import AllowedHosts, Gate, routes
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, Language
from framelens.core.roles import Role, as_user
from framelens.i18n import LANGUAGES
from scripts.write_security_docs import DOCUMENTS, roles, written
from tests.app.fake_services import ended
from tests.users import ADA, BEN, add_users

ROLES: dict[str, Role | None] = {
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
    "GET /api/library.zip": "viewer",
}


def test_every_route_has_its_role(use_plugins: Callable[..., None]) -> None:
    assert all(hasattr(one, "roles") for one in routes(Gate(AllowedHosts()))), "those of plugins, too"
    use_plugins()
    assert roles() == ROLES


@pytest.mark.every_plugin
@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_have_the_tables_of_roles(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert written(text, language) == text, "run: python scripts/write_security_docs.py"


@pytest.mark.parametrize(("role", "state"), [("viewer", "failed"), (None, "failed"), ("analyst", "done")])
def test_a_job_runs_with_the_role_its_owner_has_now(services: Services, role: Role | None, state: str) -> None:
    add_users(services.store, ADA, *([replace(BEN, role=role)] if role else []))
    with as_user(BEN):  # the role when it was submitted
        upload = services.videos.create_upload("clip.mp4", 4)
        with services.videos.part(upload.id, 0) as part:
            part.write(b"film")
        path = services.videos.path(services.videos.finish(upload.id))
        job = ended(services, services.jobs.submit(AnalysisRequest(path, language="en"), name="clip.mp4"))
    assert job.state == state
    assert (job.failure.key if job.failure else "") == ("role_analyst" if state == "failed" else "")
