"""Requests to addresses that users and programs name: videos that are fetched, and messages to webhooks.

They go to public addresses and to networks that the settings list. The name in an address is resolved once, every
address that it has is checked, and the client connects to a checked address: a name that resolves differently a moment
later (DNS rebinding) changes nothing. Proxies are not used, since a proxy would resolve the name again. No redirect is
followed without the same checks.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from framelens.core.errors import Cancelled, EngineError, InputError
from framelens.core.links import SCHEMES, SourceSettings, typed_link
from framelens.core.redaction import redact
from framelens.core.units import human_size, retry_after

if TYPE_CHECKING:
    import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All global unicast addresses that IANA has allocated of IPv6; `ipaddress` knows the special ranges within."""
_NOT_GLOBAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
"""Special addresses that `ipaddress` takes for global in some of its versions (RFC 6890, 7526, 9637)."""
_PORTS = {"http": 80, "https": 443}
_ANSWERED = (200, 206, 304, 416)
"""Statuses for the file, a part of the file, an unchanged file, and a part that the file doesn't have."""
_USUAL_WAIT_SECONDS, _MOST_WAIT_SECONDS = 60.0, 86_400.0
"""Seconds after which a busy server is worth another try: the default, and the maximum."""
BROKEN = ("url_unreachable", "url_silent", "url_cut_off")
"""Keys of errors after which a fetch may continue where it ended."""
_POLL_SECONDS = 0.1
_IDLE_SECONDS = 30.0
"""Longest time in which a server may send nothing."""
_MOST_REDIRECTS = 5
_MOST_SHOWN = 200  # characters of an address in an error


class AddressGuard:
    """Guard of the addresses of hosts.

    Args:
        private_networks: Networks that may be reached besides the public network, such as "10.0.0.0/8".
    """

    def __init__(self, private_networks: Iterable[str]) -> None:
        self._private = tuple(ipaddress.ip_network(private_network) for private_network in private_networks)

    def resolve(self, host: str, port: int) -> str:
        """Return an address of the host that may be reached.

        Raises:
            InputError: "host_unknown" or "address_private".
        """
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise InputError("host_unknown", host=host[:_MOST_SHOWN]) from error
        addresses = [str(info[4][0]) for info in infos]
        allowed = next((address for address in addresses if self._may_reach(address)), None)
        if allowed is None:
            raise InputError("address_private", host=host[:_MOST_SHOWN], address=addresses[0] if addresses else "")
        return allowed

    def _may_reach(self, address: str) -> bool:
        real = _real(ipaddress.ip_address(address.partition("%")[0]))
        return _is_global(real) or any(real in network for network in self._private)


def _is_global(address: Address) -> bool:
    """Return whether an address belongs to the public network, and to a single machine there."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_GLOBAL)


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains (mapped, 6to4, Teredo or NAT64), else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


@dataclass(frozen=True)
class ResponseHead:
    """The head of the answer to a GET request.

    Attributes:
        url: The address that answered, after redirects.
        status: 200, 206, 304 or 416.
        headers: Headers of the answer; names in small letters.
    """

    url: str
    status: int
    headers: Mapping[str, str]


Receive = Callable[[ResponseHead], Callable[[bytes], object] | None]
"""Receiver of an answer: returns a function that takes the body piece by piece until it returns False, or None if the
body isn't wanted."""


class Outbound:
    """Client for requests that users and programs ask for. Safe to use from several threads, not from an event loop.

    Args:
        settings: The addresses that may be reached.
        is_open: Videos may be fetched from every public address, not only from listed addresses, since the operator
            requests them.
    """

    def __init__(self, settings: SourceSettings, *, is_open: bool = False) -> None:
        self.settings = settings
        self.guard = AddressGuard(settings.private_networks)
        self._is_open = is_open

    def check_source(self, url: str) -> None:
        """Check that videos may be fetched from this address; nothing is resolved.

        Raises:
            InputError: "url_invalid", "url_none_allowed" or "url_not_allowed".
        """
        _split_address(url)
        if self._is_open:
            return
        if not self.settings.urls:
            raise InputError("url_none_allowed", url=url[:_MOST_SHOWN])
        if not any(_is_below(url, allowed) for allowed in self.settings.urls):
            raise InputError("url_not_allowed", url=url[:_MOST_SHOWN])

    def resolve(self, url: str) -> str:
        """Return an address of this URL's host that may be reached.

        Raises:
            InputError: "url_invalid", "host_unknown" or "address_private".
        """
        parts = _split_address(url)
        return self.guard.resolve(parts.hostname or "", parts.port or _PORTS[parts.scheme])

    def post(self, url: str, body: bytes, headers: dict[str, str], most_seconds: float) -> int:
        """Send a POST request, follow no redirect, and return the status of the answer.

        Raises:
            InputError: An error of `resolve`, "url_unreachable", "url_silent", "url_insecure", "url_too_slow" or
                "url_too_large".
        """

        async def status() -> int:
            response = await self._send("POST", url, body, headers)
            await response.aclose()
            return response.status_code

        with _faults_named(url, most_seconds):
            return asyncio.run(status())

    def get(
        self, url: str, receive: Receive, cancel: threading.Event, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Get the content of an address that `check_source` accepts.

        Args:
            url: The address.
            receive: Called with the head of the answer.
            cancel: Ends the request within 0.1 s once it is set, and within `receive` at its end.
            headers: Further headers.

        Raises:
            InputError: An error of `check_source` or `resolve`, "url_leads_inward", "url_refused",
                "url_denied", "url_busy", "url_redirects", "url_too_large",
                "url_too_slow", "url_insecure", "url_silent" or "url_unreachable".
            Cancelled: `cancel` was set.
            Exception: Any exception of `receive`, or of the function that it returns.
        """
        with _faults_named(url, self.settings.most_seconds, self.settings.most_bytes):
            asyncio.run(_unless_cancelled(self._forward_answer(url, receive, cancel, headers), cancel))

    async def _forward_answer(
        self, url: str, receive: Receive, cancel: threading.Event, headers: Mapping[str, str] | None
    ) -> None:
        """Send a request and hand over its answer."""
        async with self._open_response(url, headers) as (address, response):
            write = receive(ResponseHead(address, response.status_code, response.headers))
            if write is None:
                return
            async for piece in response.aiter_raw():
                if cancel.is_set():
                    raise Cancelled
                if write(piece) is False:
                    return

    @asynccontextmanager
    async def _open_response(
        self, url: str, headers: Mapping[str, str] | None
    ) -> AsyncIterator[tuple[str, httpx.Response]]:
        """Yield the answer to a GET request and its address; each redirect is checked like the first address."""
        address = url
        for _ in range(_MOST_REDIRECTS):
            self.check_source(address)
            try:
                response = await self._send("GET", address, headers=dict(headers or {}))
            except InputError as error:
                if address == url or error.key != "address_private":
                    raise
                raise InputError("url_leads_inward", url=_shown(url), **error.values) from error
            try:
                if response.status_code in _ANSWERED:
                    yield address, response
                    return
                if not response.has_redirect_location:
                    raise _refusal(url, response)
                address = typed_link(urljoin(address, response.headers["location"]))
            finally:
                await response.aclose()
        raise InputError("url_redirects", url=_shown(url), most=_MOST_REDIRECTS)

    async def _send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a request to a checked address of the host, and return its answer with an unread body."""
        from framelens.http_client import PooledClient, request_timeout  # pages and commands start without it

        _split_address(url)
        client = PooledClient(trust_env=False, resolve=self.guard.resolve)
        request = client.build_request(
            method, url, content=body, headers=headers, timeout=request_timeout(_IDLE_SECONDS)
        )
        return await client.send(request, stream=True)


async def _unless_cancelled(work: Coroutine[Any, Any, None], cancel: threading.Event) -> None:
    """Wait for work, or raise Cancelled soon after the event is set."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_POLL_SECONDS))[0]:
            if cancel.is_set():
                raise Cancelled
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})  # its connection is closed by then


def _refusal(url: str, response: httpx.Response) -> InputError:
    """Return the error for the status of a refusal."""
    status, wait = response.status_code, retry_after(response.headers.get("retry-after"))
    about: dict[str, Any] = {"url": _shown(url), "status": status}
    if status in (401, 403, 407):
        return InputError("url_denied", **about)
    if status in (429, 503):
        seconds = _USUAL_WAIT_SECONDS if wait is None else min(wait, _MOST_WAIT_SECONDS)
        return InputError("url_busy", wait=ceil(seconds), **about)
    return InputError("url_refused", **about)


@contextmanager
def _faults_named(url: str, most_seconds: float, most_bytes: int = 2**20) -> Iterator[None]:
    """Limit the answers to requests within the context, and raise InputError for errors of their connections."""
    import httpx

    from framelens.http_client import ResponseLimits, reason_of, response_limits

    try:
        with response_limits(ResponseLimits(most_seconds, most_bytes, is_raw=True)):
            yield
    except EngineError as fault:
        if fault.key == "engine_answer_long":
            raise InputError("url_too_large", url=_shown(url), most=human_size(most_bytes)) from fault
        raise InputError("url_too_slow", url=_shown(url), seconds=round(most_seconds)) from fault
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        if isinstance(fault, httpx.TimeoutException):
            raise InputError("url_silent", url=_shown(url), seconds=round(_IDLE_SECONDS)) from fault
        if _is_of_tls(fault):
            raise InputError("url_insecure", url=_shown(url), reason=reason_of(fault)[:_MOST_SHOWN]) from fault
        raise InputError("url_unreachable", url=_shown(url), reason=reason_of(fault)[:_MOST_SHOWN]) from fault


def _is_of_tls(fault: BaseException | None) -> bool:
    while fault is not None and not isinstance(fault, ssl.SSLError):
        fault = fault.__cause__ or fault.__context__
    return fault is not None


def _split_address(url: str) -> SplitResult:
    """Split an address and check that it is plain: no password, no way out of a folder, no odd characters."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        parts, has_port = urlsplit(""), False
    is_plain = url.isascii() and url.isprintable() and not any(letter in url for letter in ' \\"<>^`{|}')
    leaves = any(piece in ("..", ".") for piece in unquote(parts.path).split("/")) or not unquote(url).isprintable()
    if not (is_plain and has_port and parts.scheme in SCHEMES and parts.hostname) or "@" in parts.netloc or leaves:
        raise InputError("url_invalid", url=redact(url[:_MOST_SHOWN]))
    return parts


def _is_below(url: str, allowed_url: str) -> bool:
    """Return whether a listed beginning covers an address.

    Scheme, host and port must be equal (the host "*" is any host, and "*.NAME" any name below NAME), and the path must
    begin with the whole names of the listed path.
    """
    requested, allowed = urlsplit(url), urlsplit(allowed_url)
    host, pattern = (requested.hostname or ""), (allowed.hostname or "")
    is_host = pattern == "*" or (host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern)
    port = _PORTS.get(requested.scheme)
    if requested.scheme != allowed.scheme or not is_host or (requested.port or port) != (allowed.port or port):
        return False
    return f"{requested.path}/".startswith(f"{allowed.path.rstrip('/')}/")


def _shown(url: str) -> str:
    """Return an address without its query, which may hold a signature."""
    return url.partition("?")[0][:_MOST_SHOWN]
