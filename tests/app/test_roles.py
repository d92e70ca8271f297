"""Roles where actions of the page are done."""

from pathlib import Path

import pytest

from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import InputError
from framelens.core.roles import Role, User, as_user
from tests.app.fake_services import ended

ACTIONS = (
    ("analyst", "services.videos.create_upload('a.mp4', 4)"),
    ("analyst", "services.videos.sample()"),
    ("analyst", "services.jobs.remove(job)"),
    ("analyst", "services.jobs.rename(job, 'x')"),
    ("analyst", "services.jobs.cancel_all()"),
    ("analyst", "services.jobs.library.tag([job], 'x')"),
    ("analyst", "services.conversations.keep_images([])"),
    ("administrator", "services.model_switch.get(services.settings)"),
    ("administrator", "services.switcher.stop_engine()"),
)


@pytest.mark.parametrize(("role", "action"), ACTIONS, ids=[action.partition("(")[0] for _, action in ACTIONS])
def test_roles_are_checked_where_the_action_is_done(role: str, action: str, services: Services, tmp_path: Path) -> None:
    job = ended(services, services.jobs.submit(AnalysisRequest(tmp_path / "a.mp4"), name="a.mp4")).id
    names = {"services": services, "job": job}
    low: Role = "viewer" if role == "analyst" else "analyst"
    with as_user(User("1", "eve", low)), pytest.raises(InputError, match=f"role_{role}"):
        eval(action, names)
