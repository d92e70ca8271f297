"""Servers of commands: a socket to listen on, and an application that serves until the command is stopped."""

from __future__ import annotations

import socket
import threading
from typing import Any

from framelens import EngineError
from framelens.plugin.files import reason_of
from framelens.plugin.processes import in_thread

_WAKE_SECONDS = 0.5


def open_socket(host: str, port: int) -> socket.socket:
    """Open a socket on that address, where clients wait until it is served; raise EngineError if that fails."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:  # OverflowError: no such port
        raise EngineError("serve_address", host=host, port=port, reason=reason_of(error)) from error
    return listener


def serve_until(stop: threading.Event, app: Any, listening: socket.socket, *, shutdown_seconds: int) -> None:
    """Serve an ASGI application until `stop` is set; requests in progress get `shutdown_seconds` to end.

    The server has a thread of its own: in the main thread uvicorn would handle the signals, and print a traceback for
    the second signal.
    """
    import uvicorn

    options = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=shutdown_seconds)
    server = uvicorn.Server(options)
    serving = in_thread("server", lambda: server.run(sockets=[listening]))
    serving.add_done_callback(lambda _: stop.set())
    while not stop.wait(_WAKE_SECONDS):
        pass  # a signal that the system gave to another thread is handled now
    server.should_exit = True
    serving.result()
