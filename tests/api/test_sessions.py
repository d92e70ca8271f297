"""Protection of the page and of Streamlit's own routes by sessions and roles, by real requests to the ASGI app."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

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
from framelens.core.roles import as_user
from framelens.store.authentication import COOKIE
from tests.users import ADA, BEN, EVE, FakeSessions, add_users, with_sessions

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
def sessions(services: Services) -> FakeSessions:
    """An administrator, an analyst and a viewer."""
    return with_sessions(services, ADA, BEN, EVE)


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


def as_user_of(client: TestClient, name: str) -> None:
    client.cookies.set(COOKIE, name)


def test_a_session_and_its_key_open_media(
    open_app: Open, sessions: FakeSessions, services: Services, gate: Gate
) -> None:
    client = open_app()
    with as_user(BEN):
        path = f"/api/videos/{services.videos.sample()}"
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "login_needed"
    as_user_of(client, "ben")
    assert client.get(f"{path}?key=key of ben").status_code == 200
    assert client.get(f"{path}?key=key of ada").json()["key"] == "route_token"
    assert client.get(f"{path}?key={gate.key}").json()["key"] == "route_token"
    assert client.get(path).json()["key"] == "route_token"
    del sessions.users["ben"]
    assert client.get(f"{path}?key=key of ben").status_code == 401


def test_roles_bound_what_routes_do(open_app: Open, sessions: FakeSessions) -> None:
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}
    client = open_app()
    for name, status in (("eve", 403), ("ben", 201)):
        as_user_of(client, name)
        made = client.post("/api/uploads", headers={**sent, "FrameLens-Key": f"key of {name}"})
        assert made.status_code == status
    sessions.users["ben"] = replace(BEN, role="viewer")  # counts at once
    assert client.post("/api/uploads", headers={**sent, "FrameLens-Key": "key of ben"}).status_code == 403


def test_visitor_gets_files_but_no_media(open_app: Open, sessions: FakeSessions) -> None:
    client = open_app()
    assert client.get("/").status_code == client.get("/_stcore/health").status_code == 200
    closed = ("/media/abc.png", "/_stcore/upload_file/a/b", "/_stcore/metrics")
    assert {client.get(path).status_code for path in closed} == {403}
    as_user_of(client, "ben")
    assert [client.get(path).status_code for path in closed] == [403, 403, 403]
    as_user_of(client, "ada")
    assert [client.get(path).status_code for path in closed] == [403, 403, 200]


def test_visitors_websocket_continues_no_earlier_session(open_app: Open, sessions: FakeSessions) -> None:
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


@pytest.mark.parametrize("name", ["ada on another machine", "ben"])
def test_a_streamlit_session_continues_for_its_login_alone(name: str, open_app: Open, sessions: FakeSessions) -> None:
    """Even the same user's other login gets a new one."""
    owner, other, protocols = open_app(), open_app(), ["streamlit", "xsrf", "earlier-session"]
    sessions.users["ada on another machine"] = ADA
    as_user_of(owner, "ada")
    as_user_of(other, name)
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


def test_websocket_ends_with_its_session(open_app: Open, sessions: FakeSessions) -> None:
    client = open_app()
    as_user_of(client, "ben")
    with client.websocket_connect(STREAM) as socket:
        socket.receive_text()
        socket.send_text("still here")
        assert socket.receive_text() == "still here"
        del sessions.users["ben"]
        socket.send_text("read me something")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


@pytest.mark.slow
def test_page_that_was_open_before_accounts_is_closed(open_app: Open, services: Services) -> None:
    with open_app().websocket_connect(STREAM) as socket:
        socket.receive_text()
        add_users(services.store, ADA)
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
    add_users(services.store, ADA)
    assert open_app(REMOTE).get("/").status_code == 200


@pytest.mark.slow
def test_no_role_reaches_files_that_streamlit_keeps(open_app: Open, sessions: FakeSessions, services: Services) -> None:
    client = open_app()
    for name in ("", "eve", "ben", "ada"):
        if name:
            as_user_of(client, name)
        for path in ("/media/abc.png", "/_stcore/upload_file/a/b"):
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                assert f"nothing at {path}" in client.request(method, path).text, (name, method)
    with services.store.changing() as connection:
        connection.execute("DELETE FROM accounts")
    client = open_app()
    assert "nothing at" in client.put("/_stcore/upload_file/a/b", content=b"x").text


# ---- messages of the page


@pytest.mark.parametrize(
    ("name", "passed"),
    [("", ["draw"]), ("eve", ["draw", "stop"]), ("ben", ["draw", "stop", "upload"])],
)
def test_messages_of_the_page_pass_by_kind_and_role(
    open_app: Open, gate: Gate, sessions: FakeSessions, name: str, passed: list[str]
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
            as_user_of(client, name)
        with client.websocket_connect(STREAM) as socket:
            socket.receive_text()
            for kind in ("load_git_info", "upload", "stop", "draw", ""):
                socket.send_bytes(kind.encode())
            received = [socket.receive_text() for _ in passed]
    assert sorted(received) == sorted(passed)
