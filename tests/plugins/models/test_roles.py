"""What changes the engine is checked where it is done, whoever draws the button."""

from collections.abc import Callable
from pathlib import Path

import pytest

from framelens.composition import Services
from framelens.core.errors import InputError
from framelens.core.roles import User, as_user
from framelens.plugins.models import page
from framelens.plugins.models.tasks import tasks_of

ACTIONS: dict[str, Callable[[Services, Path], object]] = {
    "switch": lambda services, folder: services.model_switch.begin(services.settings),
    "query": lambda services, folder: tasks_of(services).query_remote_engine(base_url="http://x", api_key="", model=""),
    "page": lambda services, folder: page.draw(),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_an_analyst_may_not_change_the_engine(
    action: Callable[[Services, Path], object], services: Services, tmp_path: Path
) -> None:
    with as_user(User("1", "eve", "analyst")), pytest.raises(InputError, match="role_administrator"):
        action(services, tmp_path)
