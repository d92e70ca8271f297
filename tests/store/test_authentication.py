"""Who asks; and that nobody is let in where there are accounts and no plugin knows who asks."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from framelens import composition, config
from framelens.api import AllowedHosts, Gate, SessionProtection, routes
from framelens.composition import Services
from framelens.core.errors import ConfigError, InputError
from framelens.core.roles import AccessSettings
from framelens.store.authentication import Authentication, open_checked_store
from framelens.store.database import Store
from tests.api.test_sessions import ANYTHING
from tests.app.fake_services import open_fake, script
from tests.cli.test_main import command
from tests.users import ADA, BEN, SESSIONS, add_users

PLUGINS: dict[str, dict[str, Any]] = {
    "none": {},
    "another": {"another": {"commands": {}}},
    "cannot be imported": {"accounts": {"parts": {"authentication": "framelens.plugins.no_such_plugin:Logins"}}},
    "has no such object": {"accounts": {"parts": {"authentication": "tests.users:no_such_object"}}},
    "fails": {"accounts": {"parts": {"authentication": "tests.store.test_authentication:fail"}}},
    "returns nothing": {"accounts": {"parts": {"authentication": "tests.store.test_authentication:give_up"}}},
    "hook fails": {"accounts": {"parts": None}},
}


def fail(store: Store, settings: AccessSettings) -> None:
    raise RuntimeError("broken")


def give_up(store: Store, settings: AccessSettings) -> None:
    return


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data" / "framelens.sqlite")) as opened:
        yield opened


def test_without_accounts_there_is_one_user(store: Store, use_plugins: Callable[..., None]) -> None:
    for plugins in ({}, {"accounts": SESSIONS}):
        use_plugins(**plugins)
        assert Authentication(store, AccessSettings()).session("") is None


def test_with_accounts_the_cookie_says_who_asks(store: Store, use_plugins: Callable[..., None]) -> None:
    use_plugins(accounts=SESSIONS)
    add_users(store, ADA)
    authentication = Authentication(store, AccessSettings())
    session = authentication.session("ada")
    assert session and session.user == ADA
    with pytest.raises(InputError, match="login_needed"):
        authentication.session("forged")


@pytest.mark.parametrize("plugins", PLUGINS.values(), ids=PLUGINS)
@pytest.mark.parametrize("expects_accounts", [False, True], ids=["accounts", "settings"])
def test_nobody_is_let_in_without_the_plugin(
    store: Store, use_plugins: Callable[..., None], plugins: dict[str, Any], expects_accounts: bool
) -> None:
    use_plugins(**plugins)
    if not expects_accounts:
        add_users(store, ADA)
    settings = AccessSettings(insecure=True, expects_accounts=expects_accounts)
    authentication = Authentication(store, settings)
    for cookie in ("", "ada"):
        with pytest.raises(ConfigError, match="accounts_without_plugin"):
            authentication.session(cookie)
    with pytest.raises(ConfigError, match="accounts_without_plugin"):
        open_checked_store(store.folder, settings)


@pytest.mark.parametrize("setting", ['{"idle_hours": 1}', '{"new_users": "viewer"}'])
def test_a_setting_for_accounts_expects_the_plugin(tmp_path: Path, setting: str) -> None:
    settings = config.load({"FRAMELENS_ACCOUNTS": setting}, dotenv=tmp_path / "none")
    assert settings.access.expects_accounts
    assert not config.load({}, dotenv=tmp_path / "none").access.expects_accounts


def test_services_do_not_open_without_the_plugin(store: Store, use_plugins: Callable[..., None]) -> None:
    use_plugins()
    add_users(store, ADA)
    settings = config.load({"FRAMELENS_DATA_DIR": str(store.folder)}, dotenv=store.folder / "none")
    with pytest.raises(ConfigError) as refused:
        composition.open_services(settings)
    assert (refused.value.key, refused.value.values) == ("accounts_without_plugin", {"folder": str(store.folder)})


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_fake(tmp_path / "data", run=script(), sample=tmp_path / "sample.mp4")
    yield opened
    opened.close()


def test_a_running_server_closes_with_the_first_account(services: Services, use_plugins: Callable[..., None]) -> None:
    """Another process with the plugin adds it."""
    use_plugins()
    gate = Gate(AllowedHosts())
    gate.services = services

    async def page(_: object) -> PlainTextResponse:
        return PlainTextResponse("the page")

    async def stream(_: object) -> None:
        raise AssertionError("the page is reached")

    app = Starlette(
        routes=[*routes(gate), Route("/", page), WebSocketRoute("/_stcore/stream", stream)],
        middleware=[Middleware(SessionProtection, gate=gate, base_path="", messages=ANYTHING)],
    )
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        assert client.get("/").text == "the page"
        add_users(services.store, BEN)
        refused = client.get("/", headers={"Accept-Language": "zh"})
        assert refused.status_code == 403 and "FRAMELENS_PLUGINS" in refused.text and "账号" in refused.text
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
            pass
    with TestClient(Starlette(routes=routes(gate)), base_url="http://localhost") as client:
        answer = client.get(f"/api/library.zip?key={gate.key}")
        assert (answer.status_code, answer.json()["key"]) == (403, "accounts_without_plugin")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("app", "--port", "0", "--server.headless=true"), ("library",)])
def test_commands_refuse_to_start_without_the_plugin(store: Store, tmp_path: Path, words: tuple[str, ...]) -> None:
    add_users(store, ADA)
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(store.folder), "FRAMELENS_PLUGINS": "models"}
    done = subprocess.run(
        command(*words), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2 and "FRAMELENS_PLUGINS" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
