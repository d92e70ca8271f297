"""Logins, sessions and roles at the routes, by real requests to the ASGI app."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from framelens.api import Gate, PageMessages, SessionProtection, routes
from framelens.composition import Services
from framelens.config import AccessSettings
from framelens.core.errors import InputError, StorageError
from framelens.core.roles import as_user
from framelens.store import access as accounts_module
from framelens.store import login_limits
from framelens.store.access import COOKIE, Accounts
from framelens.store.database import Store

NAME, PASSWORD = "ann@example.org", "correct horse battery"
LOCAL = "http://127.0.0.1:8501"
REMOTE = "http://192.168.3.4:8501"
STREAM = "ws://127.0.0.1:8501/_stcore/stream"
ANYTHING = PageMessages(
    lambda _: "anything",
    {"anything": None},
    b"draw",
    lambda message: message.decode().removeprefix("begins ") if message.startswith(b"begins ") else "",
)


@pytest.fixture
def people(services: Services, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """An administrator, an analyst and a viewer; cheap hashes, since the tests are not about argon2."""
    hasher = accounts_module.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts_module, "PasswordHasher", lambda: hasher)
    services.accounts.add(NAME, PASSWORD, "analyst")
    services.accounts.add("ben", "another password", "analyst")
    services.accounts.add("eve", "yet another one", "viewer")
    return services.accounts


async def _socket(socket: WebSocket) -> None:
    """Report the protocols that arrived, then echo."""
    await socket.accept()
    await socket.send_text(socket.headers.get("sec-websocket-protocol", ""))
    while (message := await socket.receive())["type"] == "websocket.receive":
        if (content := message.get("bytes") or b"").startswith(b"begins "):
            await socket.send_bytes(content)
        else:
            await socket.send_text(message.get("text") or content.decode())


def app_of(gate: Gate) -> Starlette:
    async def plain(_: object) -> PlainTextResponse:
        return PlainTextResponse("here")

    paths = ("/", "/media/abc.png", "/_stcore/upload_file/a/b", "/_stcore/health", "/_stcore/metrics")
    places = [Route(path, plain) for path in paths]
    return Starlette(
        routes=[*routes(gate), *places, WebSocketRoute("/_stcore/stream", _socket)],
        middleware=[Middleware(SessionProtection, gate=gate, base_path="", messages=ANYTHING)],
    )


Open = Callable[..., TestClient]


@pytest.fixture
def open_app(gate: Gate) -> Iterator[Open]:
    opened: list[TestClient] = []
    gate._allowed = replace(gate._allowed, names=frozenset({"*"}))

    def open_client(base_url: str = LOCAL) -> TestClient:
        client = TestClient(app_of(gate), base_url=base_url, client=("127.0.0.1", 50000))
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


def log_in(client: TestClient, name: str = NAME, password: str = PASSWORD, **headers: str) -> Any:
    return client.post("/api/session", json={"name": name, "password": password}, headers=headers)


def key_of(client: TestClient, people: Accounts) -> str:
    session = people.session(client.cookies[COOKIE])
    assert session is not None
    return session.key


def test_password_opens_a_session_and_its_key_the_media(
    open_app: Open, people: Accounts, services: Services, gate: Gate
) -> None:
    client, path = open_app(), f"/api/videos/{services.videos.sample()}"
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "login_needed"
    assert log_in(client).status_code == 204
    assert client.get(f"{path}?key={key_of(client, people)}").status_code == 200
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "route_token"
    assert client.get(path).json()["key"] == "route_token"


def test_key_of_another_session_opens_nothing(open_app: Open, people: Accounts, services: Services) -> None:
    ann, other = open_app(), open_app()
    log_in(ann), log_in(other)
    path = f"/api/videos/{services.videos.sample()}"
    assert ann.get(f"{path}?key={key_of(other, people)}").status_code == 403
    assert open_app().get(f"{path}?key={key_of(ann, people)}").status_code == 401


@pytest.mark.parametrize("end", ["log out", "remove", "password", "idle", "absolute"])
def test_key_of_an_ended_session_opens_nothing(
    open_app: Open, people: Accounts, services: Services, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    client = open_app()
    with as_user(people.named("ben").user):
        path = f"/api/videos/{services.videos.sample()}"
    log_in(client, "ben", "another password")
    key, now = key_of(client, people), time.time()
    assert client.get(f"{path}?key={key}").status_code == 200
    if end == "log out":
        people.log_out(client.cookies[COOKIE])
    elif end == "remove":
        people.remove("ben")
    elif end == "password":
        people.set_password("ben", "a new password")
    else:
        limits = AccessSettings()
        later = limits.idle_seconds if end == "idle" else limits.session_seconds
        for passed in () if end == "idle" else range(0, int(later), 3600):  # used all the time
            monkeypatch.setattr(accounts_module.time, "time", lambda passed=passed: now + passed)
            assert people.session(client.cookies[COOKIE], uses=True)
        monkeypatch.setattr(accounts_module.time, "time", lambda: now + later + 1)
    assert client.get(f"{path}?key={key}").status_code == 401


def test_cookie_is_http_only_strict_and_secure_over_https(open_app: Open, people: Accounts) -> None:
    client = open_app()
    plain = log_in(client).headers["set-cookie"].lower()
    assert "httponly" in plain and "samesite=strict" in plain and "path=/;" in plain and "secure" not in plain
    gate_origin = log_in(client, Origin="https://video.example")
    assert "secure" in gate_origin.headers["set-cookie"].lower()


def test_full_disk_ends_no_session(people: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, now = people.log_in(NAME, PASSWORD, "127.0.0.1"), time.time()

    def refuse(*_: object) -> None:
        raise StorageError("disk_full_now", folder="/data", reason="no space")

    monkeypatch.setattr(people._store, "use_session", refuse)
    monkeypatch.setattr(accounts_module.time, "time", lambda: now + 3600)
    assert people.session(cookie, uses=True)


def test_a_full_disk_lets_users_log_in(people: Accounts, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = services.store._path.with_name("framelens.reserve")
    assert reserve.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert people.session(people.log_in(NAME, PASSWORD, "127.0.0.1"))
    assert not reserve.exists()  # its room was used


def test_an_expired_session_stays_so_when_the_clock_goes_back(
    people: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, now = people.log_in(NAME, PASSWORD, "127.0.0.1"), time.time()
    monkeypatch.setattr(accounts_module.time, "time", lambda: now + AccessSettings().session_seconds + 1)
    assert people.session(cookie) is None
    monkeypatch.setattr(accounts_module.time, "time", lambda: now)
    assert people.session(cookie) is None


@pytest.mark.parametrize("change", [lambda c: c + "x", lambda c: "x" + c, lambda c: c.rpartition(".")[0], lambda _: ""])
def test_forged_cookie_is_no_session(open_app: Open, people: Accounts, change: Callable[[str], str]) -> None:
    client = open_app()
    log_in(client)
    assert people.session(change(client.cookies[COOKIE])) is None


@pytest.mark.slow
def test_unknown_name_and_wrong_password_get_one_answer(open_app: Open, people: Accounts) -> None:
    people.add("oidc@example.org", None, "viewer")
    client = open_app()
    wrong = [log_in(client, NAME, "wrong"), log_in(client, "nobody"), log_in(client, "oidc@example.org", "")]
    assert {(one.status_code, one.text) for one in wrong} == {(401, wrong[0].text)}
    assert wrong[0].json()["key"] == "login_wrong" and COOKIE not in client.cookies


class CountingHasher(accounts_module.PasswordHasher):
    """A hasher that counts what it compares."""

    compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.compared += 1
        return super().verify(hash, password)


@pytest.mark.slow
def test_unknown_name_costs_as_much_as_a_known_one(people: Accounts) -> None:
    people.add("oidc@example.org", None, "viewer")
    hasher = people._hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    for number, name in enumerate(("nobody", NAME, "oidc@example.org"), start=1):
        with pytest.raises(InputError, match="login_wrong"):
            people.log_in(name, "a wrong password", "127.0.0.1")
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
def test_every_failed_login_takes_a_whole_pause(people: Accounts, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    slept, now = [], iter((100.0, 100.0, 100.0, 100.1))  # of two limits, the beginning and the end
    scripted = SimpleNamespace(monotonic=lambda: next(now), time=time.time, sleep=slept.append)
    with monkeypatch.context() as patch:
        patch.setattr(accounts_module, "time", scripted)
        patch.setattr(people._limiter, "admit", lambda *_: next(now))
        next(now)
        with pytest.raises(InputError, match="login_wrong"):
            people.log_in(name, "a wrong password", "127.0.0.1")
    assert slept == [pytest.approx(0.15)]


@pytest.mark.slow
def test_success_forgets_failures_and_memory_is_bounded() -> None:
    limiter = login_limits.LoginLimiter()
    for number in range(login_limits.PER_ACCOUNT * 3):
        limiter.admit("ann", f"10.0.0.{number}")
        limiter.succeed("ann")
    recent = login_limits.Recent(3, 60.0)
    for number in range(2 * login_limits.PLACES):
        recent.add(str(number), 0.0)
    assert len(recent._times) <= login_limits.PLACES


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_website_cannot_log_a_browser_in(gate: Gate, people: Accounts, headers: dict[str, str]) -> None:
    assert TestClient(Starlette(routes=routes(gate))).post("/api/session", json={}, headers=headers).status_code == 403


def test_roles_bound_what_routes_do(open_app: Open, people: Accounts) -> None:
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}
    for name, password, status in (("eve", "yet another one", 403), ("ben", "another password", 201)):
        client = open_app()
        log_in(client, name, password)
        made = client.post("/api/uploads", headers={**sent, "FrameLens-Key": key_of(client, people)})
        assert made.status_code == status
    people.set_role("ben", "viewer")  # counts at once
    assert client.post("/api/uploads", headers={**sent, "FrameLens-Key": key_of(client, people)}).status_code == 403


# ---- Streamlit's own routes


def test_visitor_gets_files_but_no_media(open_app: Open, people: Accounts) -> None:
    client = open_app()
    assert client.get("/").status_code == client.get("/_stcore/health").status_code == 200
    closed = ("/media/abc.png", "/_stcore/upload_file/a/b", "/_stcore/metrics")
    assert {client.get(path).status_code for path in closed} == {403}
    log_in(client, "ben", "another password")
    assert [client.get(path).status_code for path in closed] == [403, 403, 403]
    log_in(client)
    assert [client.get(path).status_code for path in closed] == [403, 403, 200]


def test_visitors_websocket_continues_no_earlier_session(open_app: Open, people: Accounts) -> None:
    client, protocols = open_app(), ["streamlit", "xsrf", "earlier-session"]
    with client.websocket_connect(STREAM, subprotocols=protocols) as socket:
        assert socket.receive_text() == "streamlit, xsrf"
        assert socket.receive_text() == "draw"
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    with client.websocket_connect(STREAM, subprotocols=protocols[:2]) as socket:
        assert socket.receive_text() == "streamlit, xsrf"
        socket.send_text("a new page asks itself")
        assert socket.receive_text() == "a new page asks itself"


@pytest.mark.parametrize("name", [NAME, "ben"])
def test_a_streamlit_session_continues_for_its_login_alone(name: str, open_app: Open, people: Accounts) -> None:
    """Even the same user's other login gets a new one."""
    owner, other, protocols = open_app(), open_app(), ["streamlit", "xsrf", "earlier-session"]
    log_in(owner)
    log_in(other, name, PASSWORD if name == NAME else "another password")
    with owner.websocket_connect(STREAM, subprotocols=protocols[:2]) as socket:
        assert socket.receive_text() == "streamlit, xsrf"
        socket.send_bytes(b"begins earlier-session")
        socket.receive_bytes()
    own = "own-session"
    for asked in (protocols, [*protocols, own], [*protocols[:2], " earlier-session"]):
        with other.websocket_connect(STREAM, subprotocols=asked) as socket:
            assert socket.receive_text() == "streamlit, xsrf"
            socket.send_bytes(f"begins {own}".encode())
            assert socket.receive_bytes() == f"begins {own}".encode()
    with owner.websocket_connect(STREAM, subprotocols=protocols) as socket:
        assert "earlier-session" in socket.receive_text()
        socket.send_text("a page that goes on")
        assert socket.receive_text() == "a page that goes on"


def test_websocket_ends_with_its_session(open_app: Open, people: Accounts) -> None:
    client = open_app()
    log_in(client, "ben", "another password")
    with client.websocket_connect(STREAM) as socket:
        socket.receive_text()
        socket.send_text("still here")
        assert socket.receive_text() == "still here"
        people.remove("ben")
        socket.send_text("read me something")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


@pytest.mark.slow
def test_page_that_was_open_before_accounts_is_closed(open_app: Open, services: Services) -> None:
    with open_app().websocket_connect(STREAM) as socket:
        socket.receive_text()
        services.accounts.add(NAME, PASSWORD, "analyst")
        socket.send_text("read me something")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


@pytest.mark.parametrize(("size", "num_read"), [(10, 8), (1 << 21, 2)])
def test_websocket_is_read_while_a_message_waits(gate: Gate, size: int, num_read: int) -> None:
    """Or the answer to a ping would wait, too. Long messages don't pile up."""
    sent = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "bytes": bytes(size)}] * 7]
    read, handled = 0, 0

    async def receive() -> Message:
        nonlocal read
        if read == len(sent):
            await asyncio.sleep(60)
        read += 1
        return sent[read - 1]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal handled
        assert await receive() == sent[0]
        for _ in range(20):  # it is slow
            await asyncio.sleep(0)
        assert read == num_read
        for message in sent[1:]:
            assert await receive() == message
            handled += 1

    protection = SessionProtection(app, gate=gate, base_path="", messages=ANYTHING)
    scope = {
        "type": "websocket",
        "path": "/_stcore/stream",
        "headers": [],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8501),
    }
    asyncio.run(asyncio.wait_for(protection(scope, receive, lambda message: asyncio.sleep(0)), 10))
    assert handled == 7


@pytest.mark.slow
def test_without_accounts_only_this_machine_is_let_in(open_app: Open, services: Services) -> None:
    assert open_app().get("/").status_code == 200
    refused = open_app(REMOTE).get("/")
    assert refused.status_code == 403 and "framelens admin users add" in refused.text
    with pytest.raises(WebSocketDisconnect), open_app().websocket_connect(STREAM.replace("127.0.0.1", "192.168.3.4")):
        pass
    services.accounts.add(NAME, PASSWORD, "analyst")
    assert open_app(REMOTE).get("/").status_code == 200


# ---- logins that another service has checked


def test_ticket_of_another_service_is_good_once(open_app: Open, people: Accounts) -> None:
    people.add("kim@example.org", None, "viewer")
    ticket = people.ticket_for("Kim@Example.org", is_verified=True)
    client = open_app()
    assert client.post("/api/session", json={"ticket": ticket}).status_code == 204
    session = people.session(client.cookies[COOKIE])
    assert session and session.user.name == "kim@example.org" and session.user.role == "viewer"
    assert open_app().post("/api/session", json={"ticket": ticket}).status_code == 401


def test_login_of_another_service_begins_one_session(people: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    people.add("kim@example.org", None, "viewer")
    now = time.time()
    first, second = (people.ticket_for("kim@example.org", is_verified=True, proof="login 1") for _ in range(2))
    assert not people.is_used("login 1", now)
    people.log_out(people.redeem(first))
    assert people.is_used("login 1", now) and not people.is_used("login 2", now)
    with pytest.raises(InputError, match="login_wrong"):
        people.redeem(second)
    assert people.is_used("login 2", now - 3600) and people.is_used("login 2", 0.0)


@pytest.mark.slow
def test_setting_decides_about_users_without_an_account(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    closed = Accounts(store, AccessSettings())
    closed.add("ann", PASSWORD, "analyst")
    for email, is_verified, key in (("new@example.org", True, "login_no_account"), ("ann", False, "login_unverified")):
        with pytest.raises(InputError, match=key):
            closed.ticket_for(email, is_verified=is_verified)
    open_to_all = Accounts(store, AccessSettings(new_user_role="viewer"))
    open_to_all.ticket_for("new@example.org", is_verified=True)
    assert open_to_all.named("new@example.org").role == "viewer"
    store.close()


@pytest.mark.slow
def test_no_role_reaches_files_that_streamlit_keeps(open_app: Open, people: Accounts) -> None:
    client = open_app()
    for name in ("", "eve", "ben", "ann"):
        if name:
            log_in(client, name, {"eve": "yet another one", "ben": "another password", "ann": PASSWORD}[name])
        for path in ("/media/abc.png", "/_stcore/upload_file/a/b"):
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                assert f"nothing at {path}" in client.request(method, path).text, (name, method)
    for one in sorted(people.all(), key=lambda one: one.role == "administrator"):  # the administrator last
        people.remove(one.name)
    client = open_app()
    assert "nothing at" in client.put("/_stcore/upload_file/a/b", content=b"x").text


# ---- messages of the page


@pytest.mark.parametrize(
    ("name", "passed"),
    [("", ["draw"]), ("eve", ["draw", "stop"]), ("ben", ["draw", "stop", "upload"])],
)
def test_messages_of_the_page_pass_by_kind_and_role(
    open_app: Open, gate: Gate, people: Accounts, name: str, passed: list[str]
) -> None:
    kinds = {"draw": None, "stop": "viewer", "upload": "analyst"}
    messages = replace(ANYTHING, kind_of=bytes.decode, kinds=kinds)
    app = Starlette(
        routes=[*routes(gate), WebSocketRoute("/_stcore/stream", _socket)],
        middleware=[Middleware(SessionProtection, gate=gate, base_path="", messages=messages)],
    )
    open_app()  # it admits every name
    with TestClient(app, base_url=LOCAL) as client:
        if name:
            log_in(client, name, {"eve": "yet another one", "ben": "another password"}[name])
        with client.websocket_connect(STREAM) as socket:
            socket.receive_text()
            for kind in ("load_git_info", "upload", "stop", "draw", ""):
                socket.send_bytes(kind.encode())
            received = [socket.receive_text() for _ in passed]
    assert sorted(received) == sorted(passed)
