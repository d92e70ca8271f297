"""Logins and their sessions: passwords, limits, tickets of other services, by real requests to the ASGI app."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens.api import AllowedHosts, Gate, routes
from framelens.composition import Services
from framelens.config import AccessSettings
from framelens.core.errors import InputError, StorageError
from framelens.core.roles import as_user
from framelens.plugins.accounts import accounts as accounts_module
from framelens.plugins.accounts import login_limits
from framelens.plugins.accounts import logins as logins_module
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.logins import Logins
from framelens.plugins.accounts.routes import routes as login_routes
from framelens.store.authentication import COOKIE
from framelens.store.database import Store

NAME, PASSWORD = "ann@example.org", "correct horse battery"
LOCAL = "http://127.0.0.1:8501"
Open = Callable[..., TestClient]


class CountingHasher(accounts_module.PasswordHasher):
    """A hasher that counts what it compares."""

    compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.compared += 1
        return super().verify(hash, password)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    """Cheap hashes, since the tests are not about argon2."""
    cheap = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts_module, "PasswordHasher", lambda: cheap)
    return cheap


@pytest.fixture
def people(services: Services, hasher: CountingHasher) -> Accounts:
    """An administrator, an analyst and a viewer."""
    accounts = Accounts(services.store)
    accounts.add(NAME, PASSWORD, "analyst")
    accounts.add("ben", "another password", "analyst")
    accounts.add("eve", "yet another one", "viewer")
    return accounts


@pytest.fixture
def logins(people: Accounts, services: Services) -> Logins:
    plugin = services.authentication.plugin
    assert isinstance(plugin, Logins)
    return plugin


@pytest.fixture
def open_app(gate: Gate, logins: Logins) -> Iterator[Open]:
    opened: list[TestClient] = []
    gate._allowed = replace(gate._allowed, names=frozenset({"*"}))

    def open_client() -> TestClient:
        opened.append(TestClient(Starlette(routes=routes(gate)), base_url=LOCAL, client=("127.0.0.1", 50000)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


def log_in(client: TestClient, name: str = NAME, password: str = PASSWORD, **headers: str) -> Any:
    return client.post("/api/session", json={"name": name, "password": password}, headers=headers)


def key_of(client: TestClient, logins: Logins) -> str:
    session = logins.session(client.cookies[COOKIE])
    assert session is not None
    return session.key


def test_password_opens_a_session_and_its_key_the_media(
    open_app: Open, logins: Logins, services: Services, gate: Gate
) -> None:
    client, path = open_app(), f"/api/videos/{services.videos.sample()}"
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "login_needed"
    assert log_in(client).status_code == 204
    assert client.get(f"{path}?key={key_of(client, logins)}").status_code == 200
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "route_token"
    assert client.get(path).json()["key"] == "route_token"


def test_only_the_login_is_open_to_visitors() -> None:
    assert [route.roles for route in login_routes(Gate(AllowedHosts()), "/api")] == [{"POST /api/session": None}]  # type: ignore[attr-defined]


def test_key_of_another_session_opens_nothing(open_app: Open, logins: Logins, services: Services) -> None:
    ann, other = open_app(), open_app()
    log_in(ann), log_in(other)
    path = f"/api/videos/{services.videos.sample()}"
    assert ann.get(f"{path}?key={key_of(other, logins)}").status_code == 403
    assert open_app().get(f"{path}?key={key_of(ann, logins)}").status_code == 401


@pytest.mark.parametrize("end", ["log out", "remove", "password", "idle", "absolute"])
def test_key_of_an_ended_session_opens_nothing(
    open_app: Open,
    people: Accounts,
    logins: Logins,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    client = open_app()
    with as_user(people.users.named("ben")):
        path = f"/api/videos/{services.videos.sample()}"
    log_in(client, "ben", "another password")
    key, now = key_of(client, logins), time.time()
    assert client.get(f"{path}?key={key}").status_code == 200
    if end == "log out":
        logins.log_out(client.cookies[COOKIE])
    elif end == "remove":
        people.remove("ben")
    elif end == "password":
        people.set_password("ben", "a new password")
    else:
        limits = AccessSettings()
        later = limits.idle_seconds if end == "idle" else limits.session_seconds
        for passed in () if end == "idle" else range(0, int(later), 3600):  # used all the time
            monkeypatch.setattr(logins_module.time, "time", lambda passed=passed: now + passed)
            assert logins.session(client.cookies[COOKIE], uses=True)
        monkeypatch.setattr(logins_module.time, "time", lambda: now + later + 1)
    assert client.get(f"{path}?key={key}").status_code == 401


def test_cookie_is_http_only_strict_and_secure_over_https(open_app: Open, people: Accounts) -> None:
    client = open_app()
    plain = log_in(client).headers["set-cookie"].lower()
    assert "httponly" in plain and "samesite=strict" in plain and "path=/;" in plain and "secure" not in plain
    gate_origin = log_in(client, Origin="https://video.example")
    assert "secure" in gate_origin.headers["set-cookie"].lower()


def test_full_disk_ends_no_session(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, now = logins.log_in(NAME, PASSWORD, "127.0.0.1"), time.time()

    def refuse(**_: object) -> None:
        raise StorageError("disk_full_now", folder="/data", reason="no space")

    monkeypatch.setattr(logins._store, "changing", refuse)
    monkeypatch.setattr(logins_module.time, "time", lambda: now + 3600)
    assert logins.session(cookie, uses=True)


def test_a_full_disk_lets_users_log_in(logins: Logins, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = services.store._path.with_name("framelens.reserve")
    assert reserve.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert logins.session(logins.log_in(NAME, PASSWORD, "127.0.0.1"))
    assert not reserve.exists()  # its room was used


@pytest.mark.parametrize("change", [lambda c: c + "x", lambda c: c[:-1], lambda c: c.upper(), lambda _: "\ud800"])
def test_forged_cookie_is_no_session(open_app: Open, logins: Logins, change: Callable[[str], str]) -> None:
    client = open_app()
    log_in(client)
    assert logins.session(change(client.cookies[COOKIE])) is None


@pytest.mark.slow
def test_unknown_name_and_wrong_password_get_one_answer(open_app: Open, people: Accounts) -> None:
    people.add("oidc@example.org", None, "viewer")
    client = open_app()
    wrong = [log_in(client, NAME, "wrong"), log_in(client, "nobody"), log_in(client, "oidc@example.org", "")]
    assert {(one.status_code, one.text) for one in wrong} == {(401, wrong[0].text)}
    assert wrong[0].json()["key"] == "login_wrong" and COOKIE not in client.cookies


@pytest.mark.slow
def test_unknown_name_costs_as_much_as_a_known_one(people: Accounts, logins: Logins, hasher: CountingHasher) -> None:
    people.add("oidc@example.org", None, "viewer")
    for number, name in enumerate(("nobody", NAME, "oidc@example.org"), start=1):
        with pytest.raises(InputError, match="login_wrong"):
            logins.log_in(name, "a wrong password", "127.0.0.1")
        assert hasher.compared == number


@pytest.mark.slow
def test_guesses_are_limited_per_account_on_loopback_too(open_app: Open, people: Accounts) -> None:
    for name in (NAME, "nobody"):
        client = open_app()
        for _ in range(login_limits.PER_ACCOUNT):
            assert log_in(client, name, "wrong").status_code == 401
        refused = log_in(client, name, PASSWORD)
        assert refused.status_code == 429 and refused.json()["key"] == "login_limit"
    assert log_in(open_app(), "ben", "another password").status_code == 204


def test_attempts_are_limited_per_address() -> None:
    limiter = login_limits.LoginLimiter()
    for number in range(login_limits.PER_ADDRESS):
        limiter.admit(f"name{number}", "2001:db8::1")
    with pytest.raises(InputError, match="login_limit"):
        limiter.admit("another", "2001:db8::ffff")  # the same network
    limiter.admit("another", "2001:db8:0:1::1")
    limiter.admit("another", "not an address")


def test_other_names_do_not_wash_out_the_count_of_one() -> None:
    recent = login_limits.Recent(login_limits.PER_ACCOUNT, 900.0)
    for _ in range(login_limits.PER_ACCOUNT):
        recent.add("ann", 0.0)
    for number in range(50_000):
        recent.add(f"name{number}", 1.0)
    assert recent.wait_seconds("ann", 1.0) > 800


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"\xff", b"[" * 9000, b'{"name": "\\ud800"}', b"{" + b" " * 20_000])
def test_a_login_without_a_name_is_refused_by_name(open_app: Open, people: Accounts, body: bytes) -> None:
    answer = open_app().post("/api/session", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["key"]) == (400, "login_body")


@pytest.mark.parametrize("name", [NAME, "nobody"])
def test_every_failed_login_takes_a_whole_pause(logins: Logins, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    slept, now = [], iter((100.0, 100.0, 100.0, 100.1))  # of two limits, the beginning and the end
    scripted = SimpleNamespace(monotonic=lambda: next(now), time=time.time, sleep=slept.append)
    with monkeypatch.context() as patch:
        patch.setattr(logins_module, "time", scripted)
        patch.setattr(logins._limiter, "admit", lambda *_: next(now))
        next(now)
        with pytest.raises(InputError, match="login_wrong"):
            logins.log_in(name, "a wrong password", "127.0.0.1")
    assert slept == [pytest.approx(0.15)]


@pytest.mark.slow
def test_success_forgets_failures_and_memory_is_bounded() -> None:
    limiter = login_limits.LoginLimiter()
    for number in range(login_limits.PER_ACCOUNT * 3):
        limiter.admit("ann", f"10.0.0.{number}")
        limiter.succeed("ann")
    recent = login_limits.Recent(3, 60.0)
    for number in range(2 * login_limits.BUCKETS):
        recent.add(str(number), 0.0)
    assert len(recent._times) <= login_limits.BUCKETS


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_website_cannot_log_a_browser_in(gate: Gate, logins: Logins, headers: dict[str, str]) -> None:
    assert TestClient(Starlette(routes=routes(gate))).post("/api/session", json={}, headers=headers).status_code == 403


def test_ticket_of_another_service_is_good_once(open_app: Open, people: Accounts, logins: Logins) -> None:
    people.add("kim@example.org", None, "viewer")
    ticket = logins.ticket_for("Kim@Example.org", is_verified=True)
    client = open_app()
    assert client.post("/api/session", json={"ticket": ticket}).status_code == 204
    session = logins.session(client.cookies[COOKIE])
    assert session and session.user.name == "kim@example.org" and session.user.role == "viewer"
    assert open_app().post("/api/session", json={"ticket": ticket}).status_code == 401


def test_login_of_another_service_begins_one_session(people: Accounts, logins: Logins) -> None:
    people.add("kim@example.org", None, "viewer")
    now = time.time()
    first, second = (logins.ticket_for("kim@example.org", is_verified=True, proof="login 1") for _ in range(2))
    assert not logins.is_used("login 1", now)
    logins.log_out(logins.redeem(first))
    assert logins.is_used("login 1", now) and not logins.is_used("login 2", now)
    with pytest.raises(InputError, match="login_wrong"):
        logins.redeem(second)
    assert logins.is_used("login 2", now - 3600) and logins.is_used("login 2", 0.0)


@pytest.mark.slow
def test_setting_decides_about_users_without_an_account(tmp_path: Path, hasher: CountingHasher) -> None:
    with closing(Store(tmp_path / "store.sqlite")) as store:
        accounts, closed = Accounts(store), Logins(store, AccessSettings())
        open_to_all = Logins(store, AccessSettings(new_user_role="viewer"))
        with pytest.raises(InputError, match="login_no_account"):  # the first account is an administrator's
            open_to_all.ticket_for("new@example.org", is_verified=True)
        accounts.add("ann", PASSWORD, "analyst")
        for email, is_verified, key in (
            ("new@example.org", True, "login_no_account"),
            ("ann", False, "login_unverified"),
        ):
            with pytest.raises(InputError, match=key):
                closed.ticket_for(email, is_verified=is_verified)
        open_to_all.ticket_for("new@example.org", is_verified=True)
        assert accounts.users.named("new@example.org").role == "viewer"
