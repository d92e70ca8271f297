"""Requests that programs make the server send: videos fetched from listed addresses, and messages to webhooks.

They go to public addresses and to networks that the settings list (`framelens.http_client.addresses`). Proxies are not
used, since a proxy would resolve the name again. No redirect is followed without the same checks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from framelens.core.errors import Cancelled, InputError
from framelens.core.redaction import redact
from framelens.core.units import human_size
from framelens.http_client.addresses import AddressGuard
from framelens.plugins.server import s3

if TYPE_CHECKING:
    import httpx

    from framelens.config import SourceSettings
    from framelens.http_client.limits import Excess

_PORTS = {"http": 80, "https": 443}
_IDLE_SECONDS = 30.0
"""How long a server may send nothing."""
_MOST_REDIRECTS = 5
_MOST_SHOWN = 200  # characters of an address in an error


class Outbound:
    """Client for requests that programs ask for. Safe to use from several threads, not from an event loop.

    Args:
        settings: The addresses that may be reached.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._guard = AddressGuard(settings.private_networks)

    def check_source(self, url: str) -> None:
        """Check that videos may be fetched from this address; nothing is resolved.

        Raises:
            InputError: "url_invalid", "url_none_allowed" or "url_not_allowed".
        """
        _checked(url, ("http", "https", "s3"))
        if not self._settings.urls:
            raise InputError("url_none_allowed", url=url[:_MOST_SHOWN])
        if not any(_is_below(url, one) for one in self._settings.urls):
            raise InputError("url_not_allowed", url=url[:_MOST_SHOWN])

    def resolve(self, url: str) -> str:
        """Return an address of this URL's host that may be reached.

        Raises:
            InputError: "url_invalid", "host_unknown" or "address_private".
        """
        parts = _checked(url, tuple(_PORTS))
        return self._guard.resolve(parts.hostname or "", parts.port or _PORTS[parts.scheme])

    def post(self, url: str, body: bytes, headers: dict[str, str], most_seconds: float) -> int:
        """Send a POST request, follow no redirect, and return the status of the answer.

        Raises:
            InputError: What `resolve` raises, "url_unreachable" or "url_too_slow".
        """

        async def status() -> int:
            response = await self._send("POST", url, body, headers)
            await response.aclose()
            return response.status_code

        with _faults_named(url, most_seconds):
            return asyncio.run(status())

    def fetch(
        self,
        url: str,
        file: BinaryIO,
        on_progress: Callable[[int, int | None], None],
        cancel: threading.Event,
    ) -> None:
        """Write the file at a listed address (http, https or s3) to `file`.

        Args:
            url: The address.
            file: Where the bytes go.
            on_progress: Called with the bytes so far and the announced size, None if that is unknown.
            cancel: Ends the fetch at the next bytes once it is set, within half a minute at most.

        Raises:
            InputError: What `check_source` and `resolve` raise, "url_refused", "url_redirects", "url_too_large",
                "url_too_slow", "url_cut_off" or "url_unreachable".
            Cancelled: `cancel` was set.
            OSError: `file` could not be written.
        """

        async def received() -> None:
            async with self._opened(url) as response:
                size = response.headers.get("content-length", "")
                total, count = (int(size) if size.isdecimal() else None), 0
                on_progress(0, total)
                async for piece in response.aiter_raw():
                    if cancel.is_set():
                        raise Cancelled
                    count += len(piece)
                    file.write(piece)
                    on_progress(count, total)
            if total is not None and count < total:
                raise InputError("url_cut_off", url=_shown(url), received=count, total=total)

        with _faults_named(url, self._settings.most_seconds, self._settings.most_bytes):
            asyncio.run(received())

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[httpx.Response]:
        """Yield the answer to a GET request; each redirect is checked like the address itself."""
        at = url
        for _ in range(_MOST_REDIRECTS):
            self.check_source(at)
            target = s3.presigned_url(at, self._settings.s3) if at.startswith("s3://") else at
            response = await self._send("GET", target)
            try:
                if response.status_code == 200:
                    yield response
                    return
                if not (response.is_redirect and not at.startswith("s3://")):
                    raise InputError("url_refused", url=_shown(url), status=response.status_code)
                at = urljoin(at, response.headers["location"])
            finally:
                await response.aclose()
        raise InputError("url_redirects", url=_shown(url), most=_MOST_REDIRECTS)

    async def _send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a request to a checked address of the host, and return its answer with an unread body."""
        from framelens.http_client.client import PooledClient, request_timeout  # pages and commands start without it

        _checked(url, tuple(_PORTS))
        client = PooledClient(trust_env=False, resolve=self._guard.resolve)
        asked = client.build_request(method, url, content=body, headers=headers, timeout=request_timeout(_IDLE_SECONDS))
        return await client.send(asked, stream=True)


@contextmanager
def _faults_named(url: str, most_seconds: float, most_bytes: int = 2**20) -> Iterator[None]:
    """Limit the answers to the requests within, and raise InputError for what goes wrong with their connection."""
    import httpx

    from framelens.http_client.client import reason_of
    from framelens.http_client.limits import ResponseLimits, response_limits

    def error(excess: Excess) -> InputError:
        if excess.kind == "long":
            return InputError("url_too_large", url=_shown(url), most=human_size(most_bytes))
        return InputError("url_too_slow", url=_shown(url), seconds=round(most_seconds))

    try:
        with response_limits(ResponseLimits(most_bytes, most_seconds, is_raw=True, error=error)):
            yield
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise InputError("url_unreachable", url=_shown(url), reason=reason_of(fault)[:_MOST_SHOWN]) from fault


def _checked(url: str, schemes: tuple[str, ...]) -> SplitResult:
    """Split an address and check that it is plain: no password, no way out of a folder, no odd characters."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        parts, has_port = urlsplit(""), False
    is_plain = url.isascii() and url.isprintable() and not any(one in url for one in ' \\"<>^`{|}')
    leaves = any(piece in ("..", ".") for piece in unquote(parts.path).split("/")) or not unquote(url).isprintable()
    if not (is_plain and has_port and parts.scheme in schemes and parts.hostname) or "@" in parts.netloc or leaves:
        raise InputError("url_invalid", url=redact(url[:_MOST_SHOWN]))
    return parts


def _is_below(url: str, listed: str) -> bool:
    """Return whether an address is one of those that a listed beginning covers.

    Scheme, host and port must be equal ("*." at the beginning of a listed host is any name below it), and the
    path must begin with whole names of the listed one.
    """
    given, allowed = urlsplit(url), urlsplit(listed)
    host, named = (given.hostname or ""), (allowed.hostname or "")
    is_host = host.endswith(named[1:]) if named.startswith("*.") else host == named
    port = _PORTS.get(given.scheme)
    if given.scheme != allowed.scheme or not is_host or (given.port or port) != (allowed.port or port):
        return False
    return f"{given.path}/".startswith(f"{allowed.path.rstrip('/')}/")


def _shown(url: str) -> str:
    """Return an address without its query, which may hold a signature."""
    return url.partition("?")[0][:_MOST_SHOWN]
