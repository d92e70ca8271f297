"""HTTP clients for engines. One on this machine is never asked through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Generator, Mapping
from concurrent.futures import CancelledError
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx

from app.core.errors import Cancelled
from app.core.redaction import remember_secret

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.1
_KEPT_SECONDS = 1.0
"""Of a connection without a request. Servers hang up after some more, uvicorn and llama.cpp after 5; a request that
meets that has to be sent again."""
_HANG_UP_SECONDS = 1.0
_first = threading.Lock()
_kept: dict[bool, aiohttp.ClientSession] = {}
"""The request loop's, by whether the engine is on this machine."""


def client(base_url: str) -> httpx.Client:
    """For short questions; close it, or use it in a `with`."""
    return httpx.Client(trust_env=not _is_here(base_url), verify=_certificates())


def authorization(api_key: str) -> dict[str, str]:
    """The header that shows the key; none without one, since an empty one is no header that can be sent."""
    remember_secret(api_key)
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


@contextlib.asynccontextmanager
async def posted(
    url: str, *, api_key: str, timeout_seconds: float, data: Any, headers: Mapping[str, str] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a POST, from its first line on; each wait for more is bounded. What is not read to its end takes
    its connection with it, so that an engine notices. A redirect is an answer like any other: neither the key nor the
    frames are sent on to where it points.

    `data` is as aiohttp takes it: bytes, or a form.
    """
    import aiohttp  # a tenth of a second, which what only imports this need not wait for

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=timeout_seconds)
    headers = {**authorization(api_key), **(headers or {})}
    async with _session(url) as session:
        asking = session.post(url, data=data, headers=headers, timeout=timeout, allow_redirects=False)
        async with asking as response:
            yield response


def request_loop() -> asyncio.AbstractEventLoop:
    """The one event loop of all long requests, in a daemon thread of its own."""
    with _first:
        return _the_loop()


def on_request_loop(pieces: AsyncIterator[T], cancel: threading.Event | None = None) -> Generator[T, None, None]:
    """The pieces as they come, made by a task of the request loop, which ends with the iterator.

    Raises what making them raises, and Cancelled within 0.1 s of `cancel` being set.
    """
    made: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()

    async def make() -> None:
        try:
            async for piece in pieces:
                made.put((piece,))
        finally:
            made.put(None)

    task = asyncio.run_coroutine_threadsafe(make(), request_loop())
    try:
        while (come := _next(made, cancel)) is not None:
            yield come[0]
        task.result()
    except CancelledError:
        raise Cancelled from None
    finally:
        task.cancel()


def _next(made: queue.SimpleQueue[T], cancel: threading.Event | None) -> T:
    while True:
        if cancel and cancel.is_set():
            raise Cancelled
        with contextlib.suppress(queue.Empty):
            return made.get(timeout=_POLL_SECONDS)


@cache
def _the_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="engine-requests", daemon=True).start()
    atexit.register(_hang_up)  # else aiohttp complains of sessions that nobody has closed
    return loop


def _hang_up() -> None:
    async def close() -> None:
        for session in _kept.values():
            await session.close()

    asyncio.run_coroutine_threadsafe(close(), _the_loop()).result(timeout=_HANG_UP_SECONDS)


@contextlib.asynccontextmanager
async def _session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """The request loop's, which keeps its connections from one request to the next; on any other loop a new one."""
    if asyncio.get_running_loop() is not request_loop():
        async with _opened(url) as session:
            yield session
        return
    is_here = _is_here(url)
    if is_here not in _kept:
        _kept[is_here] = _opened(url)
    yield _kept[is_here]


def _opened(url: str) -> aiohttp.ClientSession:
    import aiohttp

    connector = aiohttp.TCPConnector(ssl=_certificates(), limit=0, keepalive_timeout=_KEPT_SECONDS)
    return aiohttp.ClientSession(trust_env=not _is_here(url), connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: that takes 30 ms, which every part's request would pay."""
    return httpx.create_ssl_context()


def _is_here(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
