"""Protection of Streamlit's own routes by the session of a browser.

Visitors who aren't logged in get the page's files and a WebSocket on which only the login page is drawn. A WebSocket
ends with the session that it began with, so a page that was left open shows nothing more; its browser connects again
and gets the login page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected

from framelens.api.gate import Gate, is_loopback, refuse
from framelens.api.message_limits import let_users_send_more
from framelens.api.proxies import IS_FORWARDED
from framelens.core.errors import AppError, ConfigError, InputError
from framelens.core.roles import Role, User
from framelens.store.authentication import COOKIE

_FILES = ("/media/", "/_stcore/upload_file/")
"""Beginnings of paths of files that Streamlit keeps in memory, where any session that knows their names can get them,
and of paths to which any known session can upload files. The page uses neither.
"""
_INTERNALS = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
"""Beginnings of Streamlit's paths that show facts about all sessions or run the page without a browser."""
_OF_NEW_PAGE = 2
"""Number of protocols that the WebSocket of a page without a session asks for."""
_MOST_CHECKS = 4
"""Most checks at a time; each reads a row of the store."""
_MOST_BYTES_WAITING = 1 << 20
"""Limit of a page's waiting messages; beyond it the WebSocket isn't read until they are handled."""
_MESSAGE_BYTES = 512
"""Memory for a message in addition to its content, roughly."""
_MOST_PAGES = 10_000
"""Pages whose logins are remembered; a page that was forgotten gets a new Streamlit session when it connects again."""
_OPEN, _VISITOR = "open", "visitor"


@dataclass(frozen=True)
class PageMessages:
    """Messages of the page's WebSocket, and those that a browser may send over it.

    Attributes:
        kind_of: Returns the kind of a message, "" if it isn't in the page's protocol.
        kinds: The kinds that pass, with the least role of their senders; None if the login page needs them, too.
        draw: Message by which a browser asks for the page to be drawn. It is sent for a browser that connects again
            after its session has ended, since the browser assumes that its page is still valid and doesn't ask.
        session_of: Returns the Streamlit session that a message to the browser begins, "" if it begins none.
    """

    kind_of: Callable[[bytes], str]
    kinds: Mapping[str, Role | None]
    draw: bytes
    session_of: Callable[[bytes], str]

    def passes(self, message: Message, access: _Access) -> bool:
        """Return whether a message reaches the page."""
        kind = self.kind_of(message.get("bytes") or b"")
        if kind not in self.kinds:
            return False
        role = self.kinds[kind]
        return role is None or access.key == _OPEN or (access.user is not None and access.user.may(role))


@dataclass(frozen=True)
class _Access:
    """Access of a request: its user, and the key of its session, or why it needs or has no session."""

    key: str
    user: User | None = field(default=None, compare=False)


class SessionProtection:
    """ASGI middleware that keeps visitors who aren't logged in from Streamlit's routes.

    Without accounts it refuses requests that other machines send, also through a proxy, unless a setting allows them.

    Args:
        app: The protected app.
        gate: Knows the services.
        base_path: URL prefix of the app.
        messages: Messages that a browser may send over the page's WebSocket.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, base_path: str, messages: PageMessages) -> None:
        self._app = app
        self._gate = gate
        self._base_path = base_path
        self._messages = messages
        self._checks = CapacityLimiter(_MOST_CHECKS)
        self._keys: dict[str, str] = {}  # of the logins, by the Streamlit sessions that were given to them

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check an HTTP or WebSocket request and pass it on to the app."""
        path = scope.get("path", "").removeprefix(self._base_path)
        if scope["type"] == "http" and path.startswith(_FILES):
            await refuse(InputError("api_path_unknown", path=path[:200]), scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket") or self._gate.services is None:
            await self._app(scope, receive, send)
            return
        try:
            access = await self._check_access(scope)
            if path.startswith(_INTERNALS):
                _check_administrator(access)
        except AppError as error:
            await refuse(error, scope, receive, send)
            return
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        else:
            await self._watch(scope, receive, send, access)

    async def _watch(self, scope: Scope, receive: Receive, send: Send, access: _Access) -> None:
        """Pass messages of a WebSocket on until the session of its browser ends."""
        has_ended = False
        protocols = Headers(scope=scope).get("sec-websocket-protocol", "").split(",")
        earlier = ",".join(protocols[_OF_NEW_PAGE : _OF_NEW_PAGE + 1]).strip()
        if earlier and (access.key == _VISITOR or self._keys.get(earlier) != access.key):
            scope = _with_protocols(scope, protocols[:_OF_NEW_PAGE])
            if access.key == _VISITOR:
                receive = _after_connecting(receive, self._messages.draw)
        if access.key != _VISITOR:
            let_users_send_more(scope)
            send = self._remembering(send, access)
        messages, num_bytes = asyncio.Queue[Message](), 0

        async def read() -> None:
            nonlocal num_bytes
            message: Message = {}
            while message.get("type") != "websocket.disconnect":
                message = await receive()
                if message["type"] == "websocket.receive" and not self._messages.passes(message, access):
                    continue
                num_bytes += _size_of(message)
                messages.put_nowait(message)
                if num_bytes > _MOST_BYTES_WAITING:
                    await messages.join()

        async def receive_checked() -> Message:
            nonlocal has_ended, num_bytes
            message = await messages.get()
            messages.task_done()
            num_bytes -= _size_of(message)
            if message["type"] == "websocket.receive":
                try:
                    has_ended = await self._check_access(scope) != access
                except AppError:
                    has_ended = True
            return {"type": "websocket.disconnect", "code": 1008} if has_ended else message

        # Uvicorn doesn't read a WebSocket while one of its messages waits. On a busy machine it would take a browser
        # that has answered a ping for a closed browser.
        reading = asyncio.create_task(read())
        try:
            # Streamlit closes a connection that is closed, if the browser went away while a message was checked.
            with suppress(WebSocketDisconnected):
                await self._app(scope, receive_checked, send)
        finally:
            reading.cancel()
        if has_ended:
            await send({"type": "websocket.close", "code": 1008})

    def _remembering(self, send: Send, access: _Access) -> Send:
        """Return a function that sends, and remembers to whom a Streamlit session is given."""
        is_known = False

        async def send_watched(message: Message) -> None:
            nonlocal is_known
            if not is_known and (session := self._messages.session_of(message.get("bytes") or b"")):
                is_known = True
                self._keys[session] = access.key
                if len(self._keys) > _MOST_PAGES:
                    del self._keys[next(iter(self._keys))]
            await send(message)

        return send_watched

    async def _check_access(self, scope: Scope) -> _Access:
        """Return the access of a request, which a thread reserved for checks determines.

        Clicks must not wait for the threads of slow requests.

        Raises:
            ConfigError: "accounts_needed" or "accounts_without_plugin".
        """
        return await to_thread.run_sync(self._access_of, scope, limiter=self._checks)

    def _access_of(self, scope: Scope) -> _Access:
        services = self._gate.services
        if services is None:
            return _Access(_OPEN)
        try:
            session = services.authentication.session(HTTPConnection(scope).cookies.get(COOKIE, ""))
        except InputError:
            return _Access(_VISITOR)
        if session:
            return _Access(session.key, session.user)
        if services.settings.access.insecure or _is_from_here(scope):
            return _Access(_OPEN)
        raise ConfigError("accounts_needed", address=_public_name(scope))


def _check_administrator(access: _Access) -> None:
    if access.key == _VISITOR:
        raise InputError("login_needed")
    if access.user and not access.user.may("administrator"):
        raise InputError("role_administrator", name=access.user.name)


def _is_from_here(scope: Scope) -> bool:
    """Return whether a request comes from this machine; behind a proxy, by its headers."""
    client = scope.get("client")
    return is_loopback(_server(scope)) and (client is None or is_loopback(client[0])) and not scope.get(IS_FORWARDED)


def _public_name(scope: Scope) -> str:
    """Return the address at which a request has arrived, or its Host if a proxy on this machine may have sent it."""
    server = _server(scope)
    return Headers(scope=scope).get("host", server)[:200] if is_loopback(server) else server


def _server(scope: Scope) -> str:
    """Return the address of this machine at which a request has arrived; a Unix socket's is loopback."""
    host, port = scope.get("server") or ("", 0)
    return "localhost" if port is None else str(host)


def _size_of(message: Message) -> int:
    return _MESSAGE_BYTES + len(message.get("bytes") or message.get("text") or "")


def _with_protocols(scope: Scope, protocols: list[str]) -> Scope:
    others = [pair for pair in scope["headers"] if pair[0] != b"sec-websocket-protocol"]
    return {**scope, "headers": [*others, (b"sec-websocket-protocol", ",".join(protocols).encode("latin-1"))]}


def _after_connecting(receive: Receive, message: bytes) -> Receive:
    """Return a function that receives the browser's messages, and another message once it is connected."""
    num_received = 0

    async def receive_all() -> Message:
        nonlocal num_received
        num_received += 1
        return {"type": "websocket.receive", "bytes": message} if num_received == 2 else await receive()

    return receive_all
