"""HTTP client with limits, for requests to engines and requests of users and programs.

Every response keeps to `framelens.http_client.limits`. A server on this machine is never reached through the
environment's proxy. Redirects are followed only if scheme, host and port stay the same: neither the key nor the frames
are sent to another origin.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import CancelledError
from functools import cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from framelens.core.errors import Cancelled, ConfigError
from framelens.core.redaction import redact, remember_secret
from framelens.http_client.limits import ACCEPTED, ResponseLimits, limited, response_limits

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
"""Clients for requests to engines; the key is whether the engine is on this machine."""


class PooledClient(httpx.AsyncClient):
    """An httpx client that keeps connections alive on its own loop only.

    A connection belongs to the event loop that opened it. On any other loop, each request gets a connection of its own,
    which is closed with the response, so that nothing is left behind when that loop ends.

    Args:
        trust_env: Use the environment's proxies.
        loop: Loop on which connections are kept; None for `request_loop`.
        resolve: resolve(host, port) returns the address to connect to, or raises. The certificate is still checked for
            the host. No connection is kept then: the next host may have the same address.
    """

    def __init__(
        self,
        *,
        trust_env: bool,
        loop: asyncio.AbstractEventLoop | None = None,
        resolve: Callable[[str, int], str] | None = None,
    ) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEPT_SECONDS)
        self._own_loop, self._resolve = loop, resolve
        with _proxy_errors():
            super().__init__(
                trust_env=trust_env,
                verify=_certificates(),
                follow_redirects=False,
                cookies=CookieJar(
                    DefaultCookiePolicy(allowed_domains=[])
                ),  # an engine's cookies would go to another engine
                limits=limits,
                headers=ACCEPTED,
            )

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request; see httpx. The response keeps to `framelens.http_client.limits`.

        A redirect within the scheme, host and port is followed, with the same method; other redirects are returned.
        """
        url = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        response = await limited(self._sent(request, options), url)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response

    async def _sent(self, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        send = super().send
        if self._resolve:
            await _pin(request, self._resolve)
        if self._resolve or asyncio.get_running_loop() is not (self._own_loop or request_loop()):
            limits = httpx.Limits(max_keepalive_connections=0)
            with _proxy_errors():
                send = httpx.AsyncClient(trust_env=self.trust_env, verify=_certificates(), limits=limits).send
        for _ in range(self.max_redirects):
            response = await send(request, stream=True, **options)
            moved = None if self._resolve else _moved(request, response)
            if moved is None:
                return response
            await response.aclose()
            request = moved
        raise httpx.TooManyRedirects("too many redirects", request=request)


async def _pin(request: httpx.Request, resolve: Callable[[str, int], str]) -> None:
    """Let the request connect to the address that `resolve` returns, in the name of its host."""
    url = request.url
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await asyncio.to_thread(resolve, host, port)
    request.url = url.copy_with(host=address)  # the header "Host" keeps the name
    request.extensions = {**request.extensions, "sni_hostname": host}


def pooled_client(base_url: str) -> PooledClient:
    """Return the client for requests to this address; it is shared and must not be closed.

    Raises:
        ConfigError: The address, or the address of a proxy in the environment, can't be used.
    """
    is_local = _is_local(base_url)
    with _loop_lock:
        if is_local not in _clients:
            _clients[is_local] = PooledClient(trust_env=not is_local)
        return _clients[is_local]


def request_timeout(seconds: float) -> httpx.Timeout:
    """Return the time limits of a request: `seconds` for each wait for data, at most 10 for connecting."""
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS), pool=None)


def short_request(
    base_url: str,
    method: str,
    url: str,
    *,
    api_key: str,
    timeout_seconds: float,
    body: object = None,
    limits: ResponseLimits | None = None,
) -> httpx.Response:
    """Send a request whose answer is short, and wait for it; not for the thread of the request loop.

    Args:
        base_url: Address of the server.
        method: HTTP method.
        url: Address of the request.
        api_key: Sent as a bearer token; "" sends no token.
        timeout_seconds: Limit of each wait; the answer may take twice as long.
        body: Sent as JSON.
        limits: Limits of the answer; None for 16 MB.

    Raises:
        ConfigError: The address can't be used, see `pooled_client`.
        EngineError: The answer exceeds its limits; `limits` may name another error.
        httpx.HTTPError: There is no answer.
    """
    sender = pooled_client(base_url)
    asked = sender.build_request(
        method, url, json=body, headers=authorization(api_key), timeout=request_timeout(timeout_seconds)
    )
    with response_limits(limits or ResponseLimits(most_seconds=2 * timeout_seconds)):
        return asyncio.run_coroutine_threadsafe(sender.send(asked), request_loop()).result()


def _moved(request: httpx.Request, response: httpx.Response) -> httpx.Request | None:
    """Return the request for the target of a redirect within the origin; None for every other response."""
    target = response.next_request
    becomes_get = response.status_code == HTTPStatus.SEE_OTHER and request.method != "GET"
    if target is None or becomes_get or _origin(target.url) != _origin(request.url):
        return None
    same = request.method, target.url
    return httpx.Request(*same, headers=request.headers, content=request.content, extensions=request.extensions)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def authorization(api_key: str) -> dict[str, str]:
    """Return the header with the key; no header for "", since an empty value cannot be sent."""
    remember_secret(api_key)
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def reason_of(error: BaseException) -> str:
    """Return the message of the first cause of an error; the libraries above say only that an error happened."""
    while below := error.__cause__ or (error.__context__ if isinstance(error.__context__, OSError) else None):
        error = below
    if (isinstance(error, ConnectionError) or type(error) is OSError) and error.errno:
        return f"[Errno {error.errno}] {os.strerror(error.errno)}"  # asyncio's own message names only the call
    return redact(str(error)).rstrip(".") or type(error).__name__


def request_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of requests to engines, hubs and clusters, which runs in its own daemon thread."""
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
    """Return the TLS context, which trusts the system's authorities, too. It is made once, since that takes 30 ms."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


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
    """Return whether the address is on this machine; raise ConfigError if it is not an address."""
    try:
        host, url = urlsplit(base_url).hostname or "", httpx.URL(base_url)  # each refuses what the other lets pass
        is_usable = url.scheme in ("http", "https") and bool(url.host)
    except (httpx.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise ConfigError("base_url_invalid", value=redact(base_url))
    if host in ("localhost", "localhost.") or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified  # "0.0.0.0" is the address that servers print
