"""HTTP client with limits, for requests to engines and requests of users and programs.

A server may be broken or hostile: it sends without end, a byte a minute, or far more than was asked for. Every request
has a deadline and every response a cap of bytes. No answer is taken compressed, since a few bytes could become
gigabytes. A server on this machine is never reached through the environment's proxy. Redirects are followed only if
scheme, host and port stay the same, as those of Hugging Face's files do: neither the key nor the frames are sent to
another origin.

This module has one cap for all responses. It doesn't derive bytes from what was requested, and it doesn't count the
bytes of single events.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import math
import os
import queue
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from framelens.core.errors import Cancelled, ConfigError, EngineError, EngineTimeout
from framelens.core.redaction import redact, remember_secret
from framelens.core.units import human_size

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.1
"""Documented delay of cancelling."""
_KEPT_SECONDS = 1.0
"""Life of an idle connection. Less than the servers' own limit (uvicorn and llama.cpp: 5), since a request on a
connection that the server closes has to be sent again."""
MOST_BYTES = 64 * 2**20
"""Most bytes of a response's body."""
_REFUSAL_BYTES = 2**20
"""Bytes after which the body of an error ends: its beginning has the reason."""
_loop_lock = threading.Lock()
_clients: dict[bool, PooledClient] = {}
"""Clients for requests to engines; the key is whether the engine is on this machine."""


@dataclass(frozen=True)
class ResponseLimits:
    """Limits of a response.

    Attributes:
        most_seconds: Time from sending the request to the end of the response.
        most_bytes: Bytes of its body.
        event_seconds: Wait for data of a stream; comments, which keep a connection alive, are no data.
        is_raw: The body is taken unchanged, also if it is compressed.
    """

    most_seconds: float = 120.0
    most_bytes: int = MOST_BYTES
    event_seconds: float = math.inf
    is_raw: bool = False


_limits: ContextVar[tuple[ResponseLimits, float] | None] = ContextVar("response_limits", default=None)


@contextlib.contextmanager
def response_limits(limits: ResponseLimits) -> Iterator[None]:
    """Set the limits of the responses to requests that are sent within the context; their time begins now."""
    token = _limits.set((limits, time.monotonic() + limits.most_seconds))
    try:
        yield
    finally:
        _limits.reset(token)


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
        if trust_env:
            _check_proxies()
        super().__init__(
            trust_env=trust_env,
            verify=_certificates(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # an engine's would go to another engine
            limits=limits,
            headers={"Accept-Encoding": "identity"},
        )

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request; see httpx. The response keeps to the limits of the context, and to the usual limits without.

        A redirect within the scheme, host and port is followed, with the same method; other redirects are returned.

        Raises:
            EngineError: The response exceeds a limit; reading a streamed body raises it, too. The key is
                "engine_answer_slow", "engine_answer_long", "engine_answer_compressed" or "engine_timeout".
        """
        limits, deadline = _limits.get() or (usual := ResponseLimits(), time.monotonic() + usual.most_seconds)
        url = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._send_once(request, options)
        except TimeoutError as error:
            raise _slow(url, limits) from error
        try:
            response.stream = _LimitedBody(response, limits, deadline, url)
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _send_once(self, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        send = super().send
        if self._resolve:
            await _pin(request, self._resolve)
        if self._resolve or asyncio.get_running_loop() is not (self._own_loop or request_loop()):
            limits = httpx.Limits(max_keepalive_connections=0)
            send = httpx.AsyncClient(trust_env=self.trust_env, verify=_certificates(), limits=limits).send
        for _ in range(self.max_redirects):
            response = await send(request, stream=True, **options)
            moved = None if self._resolve else _redirected_request(request, response)
            if moved is None:
                return response
            await response.aclose()
            request = moved
        raise httpx.TooManyRedirects("too many redirects", request=request)


class _LimitedBody(httpx.AsyncByteStream):
    """The body of a response, up to its limits; that of a refusal ends there, since its beginning has the reason."""

    def __init__(self, response: httpx.Response, limits: ResponseLimits, deadline: float, url: str) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._inner, self._limits, self._deadline, self._url = response.stream, limits, deadline, url
        self._is_refusal = response.status_code >= 300
        self._is_stream = "event-stream" in response.headers.get("content-type", "")
        self._left = _REFUSAL_BYTES if self._is_refusal else limits.most_bytes
        length = response.headers.get("content-length", "")
        if not self._is_refusal and length.isdecimal() and float(length) > self._left:
            raise self._too_long()
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity") and not limits.is_raw:
            if not self._is_refusal:
                raise EngineError("engine_answer_compressed", encoding=redact(encoding[:40]), base_url=url)
            self._left = 0
            del response.headers["content-encoding"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece."""
        wait_seconds = self._limits.event_seconds if self._is_stream else math.inf
        pieces, event_deadline = aiter(self._inner), time.monotonic() + wait_seconds
        while True:
            try:
                async with asyncio.timeout_at(min(self._deadline, event_deadline)):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                if self._is_refusal:
                    return
                is_silent = time.monotonic() < self._deadline
                silent = EngineTimeout("engine_timeout", base_url=self._url)
                raise (silent if is_silent else _slow(self._url, self._limits)) from error
            if piece is None:
                return
            if len(piece) > self._left:
                if not self._is_refusal:
                    raise self._too_long()
                yield piece[: self._left]
                return
            self._left -= len(piece)
            if b"data:" in piece:
                event_deadline = time.monotonic() + wait_seconds
            yield piece

    def _too_long(self) -> EngineError:
        return EngineError("engine_answer_long", most=human_size(self._limits.most_bytes), base_url=self._url)

    async def aclose(self) -> None:
        """Close the connection, or leave it to the pool if the body was read."""
        await self._inner.aclose()


def _slow(url: str, limits: ResponseLimits) -> EngineError:
    return EngineError("engine_answer_slow", minutes=max(1, round(limits.most_seconds / 60)), base_url=url)


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
    base_url: str, method: str, url: str, *, api_key: str, timeout_seconds: float, body: object = None
) -> httpx.Response:
    """Send a request whose answer is short, and wait for it; not for the thread of the request loop.

    Args:
        base_url: Address of the server.
        method: HTTP method.
        url: Address of the request.
        api_key: Sent as a bearer token; "" sends no token.
        timeout_seconds: Limit of each wait; the answer may take twice as long.
        body: Sent as JSON.

    Raises:
        ConfigError: The address can't be used, see `pooled_client`.
        EngineError: The answer exceeds its limits.
        httpx.HTTPError: There is no answer.
    """
    sender = pooled_client(base_url)
    request = sender.build_request(
        method, url, json=body, headers=authorization(api_key), timeout=request_timeout(timeout_seconds)
    )
    with response_limits(ResponseLimits(most_seconds=2 * timeout_seconds)):
        return asyncio.run_coroutine_threadsafe(sender.send(request), request_loop()).result()


def _redirected_request(request: httpx.Request, response: httpx.Response) -> httpx.Request | None:
    """Return the request for the target of a redirect within the origin; None for every other response."""
    target = response.next_request
    becomes_get = response.status_code == HTTPStatus.SEE_OTHER and request.method != "GET"
    if (
        target is None
        or becomes_get
        or (target.url.scheme, target.url.netloc) != (request.url.scheme, request.url.netloc)
    ):
        return None
    same = request.method, target.url
    return httpx.Request(*same, headers=request.headers, content=request.content, extensions=request.extensions)


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

    asyncio.run_coroutine_threadsafe(close(), _create_loop()).result(timeout=1.0)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the TLS context, which trusts the system's authorities, too. It is made once, since that takes 30 ms."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _check_proxies() -> None:
    """Raise ConfigError if httpx can't use the address of a proxy in the environment."""
    for scheme, address in getproxies().items():
        if scheme in ("http", "https", "all"):
            try:
                httpx.Proxy(address if "://" in address else f"http://{address}")
            except (httpx.InvalidURL, ValueError) as error:
                raise ConfigError("proxy_unusable", key=f"{scheme.upper()}_PROXY", value=redact(address)) from error


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
