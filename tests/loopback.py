"""The HTTP servers of the tests: on a free port of loopback, in a thread of their own, printing nothing."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar


class Engine(Protocol):
    base_url: str


State = TypeVar("State", bound=Engine)
_POLL_SECONDS = 0.01
"""So long, at most, a test waits for its server to end; the default is half a second."""


@contextmanager
def listening(handler: Any) -> Iterator[str]:
    """The server's URL, until the block ends. `handler` makes a handler for each request, as http.server asks."""
    http = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def scripted(handler: type[Handler], state: State) -> Iterator[State]:
    """`state` served as an OpenAI-compatible engine, with its `base_url` filled in."""
    with listening(type("Scripted", (handler,), {"state": state})) as url:
        state.base_url = f"{url}/v1"
        yield state


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """The default of 5 refuses some of the 16 connections that a client may open at once, on some systems."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in mid-answer is part of what is tested; anything else is a mistake in the test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """A handler that prints nothing, reads and sends JSON, and bears a client that has gone away."""

    state: Any

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""

    def body(self) -> bytes:
        """Read the request's body. Raise ConnectionError if the client has gone away before its end."""
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client has gone away")
        return body

    def send_json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.send_whole(status, json.dumps(body).encode(), {**(headers or {}), "Content-Type": "application/json"})

    def send_whole(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked has gone away
            self.wfile.write(data)
