"""Proxy on this machine for yt-dlp: it connects to hosts that the guard allows, each at the address that was checked.

Only requests with the proxy's own password are served, so that no other program uses it. It reads the head of a request
alone; what follows is passed on, and counted.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from framelens import AppError, InputError
from framelens.plugin.links import Outbound

T = TypeVar("T")
_MOST_HEAD_BYTES = 64 << 10
_HEAD_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_PIECE_BYTES = 64 << 10
_HOP_HEADERS = ("proxy-authorization", "proxy-connection", "connection", "keep-alive")


class GuardProxy:
    """The proxy; it runs as long as the context.

    Args:
        outbound: Which hosts may be reached, and how many bytes may come.

    Attributes:
        url: Its address with its password.
        refused: Why the last refused connection was refused; None if all were allowed.
    """

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._left_bytes = outbound.settings.most_bytes
        self._password = secrets.token_urlsafe(24)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guard-proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""
        self.refused: AppError | None = None

    def __enter__(self) -> GuardProxy:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MOST_HEAD_BYTES))
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://framelens:{self._password}@127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # their sockets close

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._forward(head, reader, writer)
        except AppError as error:
            self.refused = error
            await _answer(writer, "403 Forbidden")
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _answer(writer, "502 Bad Gateway")
        finally:
            writer.close()
            self._connections.discard(task)

    async def _forward(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a request to its host, and pass on the data of both sides until the answer ends."""
        request, *lines = _lines_of(head)
        method, target, version = request.split(" ")
        if not self._is_ours(lines):
            await _answer(writer, "407 Proxy Authentication Required", "Proxy-Authenticate: Basic")
            return
        is_tunnel = method == "CONNECT"
        parts = urlsplit(f"https://{target}" if is_tunnel else target)
        if not (is_tunnel or parts.scheme == "http") or not parts.hostname:
            raise InputError("url_invalid", url=target[:200])
        port = parts.port or (443 if is_tunnel else 80)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._outbound.check_source(f"{parts.scheme}://{host}:{port}/")
        address = await asyncio.to_thread(self._outbound.guard.resolve, parts.hostname, port)
        async with asyncio.timeout(_CONNECT_SECONDS):
            there, out = await asyncio.open_connection(address, port, limit=_MOST_HEAD_BYTES)
        try:
            if is_tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                answer = self._pass(there, writer, counted=True)
            else:
                path = target[target.index(parts.netloc) + len(parts.netloc) :] or "/"
                out.write(_last_head(f"{method} {path} {version}", lines))
                answer = self._pass_answer(there, writer)
            await _first_end(self._pass(reader, out), answer)
        finally:
            out.close()

    def _is_ours(self, lines: list[str]) -> bool:
        expected = base64.b64encode(f"framelens:{self._password}".encode()).decode()
        header = next((line for line in lines if line.lower().startswith("proxy-authorization:")), "")
        return secrets.compare_digest(header.rpartition(" ")[2].encode(), expected.encode())

    async def _pass_answer(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass an answer on, with a header that closes the connection after it, even if its server doesn't send it."""
        async with asyncio.timeout(_IDLE_SECONDS):
            head = await source.readuntil(b"\r\n\r\n")
        self._left_bytes -= len(head)
        status, *lines = _lines_of(head)
        target.write(_last_head(status, lines))
        await self._pass(source, target, counted=True)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool = False) -> None:
        """Pass on what arrives, to the end or the limit of bytes."""
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                piece = await source.read(_PIECE_BYTES)
            self._left_bytes -= len(piece) if counted else 0
            if not piece or self._left_bytes < 0:
                return
            target.write(piece)
            await target.drain()


def _lines_of(head: bytes) -> list[str]:
    return head.decode("latin-1").rstrip("\r\n").split("\r\n")


def _last_head(first: str, lines: Sequence[str]) -> bytes:
    """Return the head of a message after which the connection closes, from its first line and its other lines."""
    headers = [line for line in lines if line.partition(":")[0].strip().lower() not in _HOP_HEADERS]
    return "\r\n".join([first, *headers, "Connection: close", "", ""]).encode("latin-1")


async def _first_end(*works: Coroutine[Any, Any, None]) -> None:
    """Wait until the answer ends or fails, and cancel the request if it still runs; it may end before its answer."""
    request, answer = map(asyncio.ensure_future, works)
    try:
        await answer
    finally:
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)


async def _answer(writer: asyncio.StreamWriter, status: str, *headers: str) -> None:
    with suppress(OSError):
        writer.write("\r\n".join((f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", "")).encode("latin-1"))
        await writer.drain()
