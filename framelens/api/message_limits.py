"""Size limits of WebSocket messages: uvicorn keeps a message until its end, also for visitors without a login."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

VISITOR_BYTES = 1 << 16
"""Limit of a message without a login: a browser that draws the login page sends some hundred bytes."""
USER_BYTES = 4 << 20
"""Limit of a message with a login: all fields of a page together."""
MOST_PIECES = 1000
"""Most frames of a message. Browsers send a single frame; each takes memory, even if it is empty."""
_LIMIT = "framelens.limit_messages"
"""Key of a scope: a function that sets how many bytes a message of this connection may have."""


def let_users_send_more(scope: Scope) -> None:
    """Raise the limit of a connection that has a login."""
    if limit := scope.get(_LIMIT):
        limit(USER_BYTES)


def limit_messages() -> None:
    """Have uvicorn limit the messages of each connection, at first to VISITOR_BYTES; called before uvicorn listens.

    uvicorn's own limit is the same for all, and Streamlit sets it to the limit of its own messages to the browser.
    """
    connect, resume = WebSocketsSansIOProtocol.handle_connect, WebSocketsSansIOProtocol.handle_cont

    @wraps(connect)
    def handle_connect(self: WebSocketsSansIOProtocol, event: object) -> None:
        set_limit = _limiter(self)
        set_limit(VISITOR_BYTES)
        connect(self, event)  # type: ignore[arg-type]
        if hasattr(self, "scope"):  # it was a WebSocket; the app begins with the next turn of the loop
            scope: Any = self.scope
            scope[_LIMIT] = set_limit

    @wraps(resume)
    def handle_cont(self: WebSocketsSansIOProtocol, event: Any) -> None:
        if len(self.frames) < MOST_PIECES:
            resume(self, event)
            return
        self.frames = []
        self.conn.fail(1009, "too many pieces")
        self.handle_parser_exception()

    WebSocketsSansIOProtocol.handle_connect = handle_connect  # type: ignore[method-assign]
    WebSocketsSansIOProtocol.handle_cont = handle_cont  # type: ignore[method-assign]


def _limiter(protocol: WebSocketsSansIOProtocol) -> Callable[[int], None]:
    def set_limit(num_bytes: int) -> None:
        protocol.conn.max_message_size = num_bytes

    return set_limit
