"""HTTP clients for engines. An engine on this machine is never reached through the environment's proxy."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import CancelledError
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from framelens.core.errors import Cancelled, ConfigError
from framelens.core.redaction import redact, remember_secret
from framelens.llm.limits import ACCEPTED, ResponseLimits, limited, response_limits

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.1
"""Documented delay of cancelling."""
_KEPT_SECONDS = 1.0
"""Life of an idle connection. Less than the servers' own limit (uvicorn and llama.cpp: 5), since a request on a
connection that the server closes has to be sent again."""
_CLOSE_SECONDS = 1.0
"""Limit for closing all connections at exit."""
_loop_lock = threading.Lock()
_clients: dict[bool, PooledClient] = {}
"""Clients for long requests, by whether the engine is on this machine."""


class PooledClient(httpx.AsyncClient):
    """An httpx client that keeps connections alive on the request loop only.

    A connection belongs to the event loop that opened it. On any other loop, each request gets a connection of its own,
    which is closed with the response, so that nothing is left behind when that loop ends.
    """

    def __init__(self, *, trust_env: bool) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEPT_SECONDS)
        with _proxy_errors():
            super().__init__(
                trust_env=trust_env,
                verify=_certificates(),
                follow_redirects=False,  # neither the key nor the frames are sent to the target
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one engine's would go to another
                limits=limits,
                headers=ACCEPTED,
            )

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request; see httpx. The response keeps to `framelens.llm.limits`."""
        send = super().send
        if asyncio.get_running_loop() is not request_loop():
            limits = httpx.Limits(max_keepalive_connections=0)
            with _proxy_errors():
                send = httpx.AsyncClient(trust_env=self.trust_env, verify=_certificates(), limits=limits).send
        url = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        response = await limited(send(request, stream=True, **options), url)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


def pooled_client(base_url: str) -> PooledClient:
    """Return the client for long requests to this address; it is shared and must not be closed.

    Raises:
        ConfigError: The address, or that of a proxy in the environment, can't be used.
    """
    is_local = _is_local(base_url)
    with _loop_lock:
        if is_local not in _clients:
            _clients[is_local] = PooledClient(trust_env=not is_local)
        return _clients[is_local]


def engine_timeout(seconds: float) -> httpx.Timeout:
    """Return the time limits of a request: `seconds` for each wait for data, at most 10 for connecting."""
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS), pool=None)


def short_request(
    base_url: str, method: str, url: str, *, api_key: str, timeout_seconds: float, body: object = None
) -> httpx.Response:
    """Send a request whose answer is short, and wait for it; not for the thread of the request loop.

    Args:
        base_url: Address of the engine.
        method: HTTP method.
        url: Address of the request.
        api_key: Sent as a bearer token; "" for none.
        timeout_seconds: Limit of each wait; the answer may take twice as long.
        body: Sent as JSON.

    Raises:
        ConfigError: What `pooled_client` raises.
        EngineError: The answer exceeds its limits (see `framelens.llm.limits`).
        httpx.HTTPError: There is no answer.
    """
    sender = pooled_client(base_url)
    asked = sender.build_request(
        method, url, json=body, headers=authorization(api_key), timeout=engine_timeout(timeout_seconds)
    )
    with response_limits(ResponseLimits(most_seconds=2 * timeout_seconds)):
        return asyncio.run_coroutine_threadsafe(sender.send(asked), request_loop()).result()


def authorization(api_key: str) -> dict[str, str]:
    """Return the header with the key; no header for "", since an empty value cannot be sent."""
    remember_secret(api_key)
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def request_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all long requests, which runs in a daemon thread of its own."""
    with _loop_lock:
        return _create_loop()


def on_request_loop(pieces: AsyncIterator[T], cancel: threading.Event | None = None) -> Generator[T, None, None]:
    """Run `pieces` as a task of the request loop and yield its items; the task ends with the iterator.

    Raises:
        Cancelled: Within 0.1 s of `cancel` being set.
        Exception: Any exception of `pieces`.
    """
    produced: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()

    async def produce() -> None:
        try:
            async for piece in pieces:
                produced.put((piece,))
        finally:
            produced.put(None)

    task = asyncio.run_coroutine_threadsafe(produce(), request_loop())
    try:
        while (item := _next(produced, cancel)) is not None:
            yield item[0]
        task.result()
    except CancelledError:
        raise Cancelled from None
    finally:
        task.cancel()


def _next(produced: queue.SimpleQueue[T], cancel: threading.Event | None) -> T:
    while True:
        if cancel and cancel.is_set():
            raise Cancelled
        with contextlib.suppress(queue.Empty):
            return produced.get(timeout=_POLL_SECONDS)


@cache
def _create_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="engine-requests", daemon=True).start()
    atexit.register(_close_clients)  # or asyncio complains about unclosed connections
    return loop


def _close_clients() -> None:
    async def close() -> None:
        for pooled in _clients.values():
            await pooled.aclose()

    asyncio.run_coroutine_threadsafe(close(), _create_loop()).result(timeout=_CLOSE_SECONDS)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the TLS context. It is created once, since that takes 30 ms."""
    return httpx.create_ssl_context()


@contextlib.contextmanager
def _proxy_errors() -> Iterator[None]:
    """Raise ConfigError where httpx refuses the address of a proxy in the environment."""
    try:
        yield
    except (httpx.InvalidURL, ValueError) as error:
        for scheme, address in getproxies().items():
            if scheme in ("http", "https", "all") and not _is_proxy(address):
                raise ConfigError("proxy_unusable", key=f"{scheme.upper()}_PROXY", value=redact(address)) from error
        raise


def _is_proxy(address: str) -> bool:
    try:
        httpx.Proxy(address if "://" in address else f"http://{address}")
    except (httpx.InvalidURL, ValueError):
        return False
    return True


def _is_local(base_url: str) -> bool:
    """Return whether the address is on this machine; raise ConfigError if it is none."""
    try:
        host, url = urlsplit(base_url).hostname or "", httpx.URL(base_url)  # each refuses what the other lets pass
        is_usable = url.scheme in ("http", "https") and bool(url.host)
    except (httpx.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise ConfigError("base_url_invalid", value=redact(base_url))
    return host in ("localhost", "::1") or host.startswith("127.")
