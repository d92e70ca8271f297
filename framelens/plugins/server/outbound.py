"""Requests that programs make the server send: videos fetched from listed addresses, and messages to webhooks.

The name in an address is resolved once, every address that it has is checked, and the connection goes to a checked one:
a name that resolves differently a moment later (DNS rebinding) changes nothing. Addresses that are not public, such as
those of this machine, of its network or of a cloud's metadata service, are refused unless the settings list them.
Proxies are not used, since a proxy would resolve the name again. No redirect is followed without the same checks.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from framelens.core.errors import Cancelled, InputError
from framelens.core.redaction import redact
from framelens.core.units import human_size
from framelens.plugins.server import s3

if TYPE_CHECKING:
    import httpx

    from framelens.config import SourceSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0
"""How long a server may send nothing."""
_MOST_REDIRECTS = 5
_MOST_SHOWN = 200  # characters of an address in an error
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA has given out of IPv6 for the whole world; what is special within it, `ipaddress` knows."""
_NOT_GLOBAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
"""Special ones that `ipaddress` takes for global in some of its versions (RFC 6890, 7526, 9637)."""


class Outbound:
    """Client for requests that programs ask for. Safe to use from several threads.

    Args:
        settings: The addresses that may be reached.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._private = tuple(ipaddress.ip_network(one) for one in settings.private_networks)

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
        host = parts.hostname or ""
        try:
            found = socket.getaddrinfo(host, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError("host_unknown", host=host[:_MOST_SHOWN], reason=reason) from error
        addresses = [str(info[4][0]) for info in found]
        allowed = next((one for one in addresses if self._may_reach(one)), None)
        if allowed is None:
            raise InputError("address_private", host=host[:_MOST_SHOWN], address=addresses[0] if addresses else "")
        return allowed

    def post(self, url: str, body: bytes, headers: dict[str, str], most_seconds: float) -> int:
        """Send a POST request, follow no redirect, and return the status of the answer.

        Raises:
            InputError: What `resolve` raises, "url_unreachable" or "url_too_slow".
        """
        with _Deadline(url, most_seconds) as deadline, self._client() as client:
            response = client.send(self._request(client, "POST", url, deadline, body, headers), stream=True)
            response.close()
            return response.status_code

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
        most_seconds = self._settings.most_seconds
        with (
            _Deadline(url, most_seconds) as deadline,
            self._client() as client,
            self._opened(client, url, deadline) as response,
        ):
            size = response.headers.get("content-length", "")
            total = int(size) if size.isdecimal() else None
            self._check_size(url, total or 0)
            received = 0
            on_progress(received, total)
            for piece in response.iter_raw():
                if cancel.is_set():
                    raise Cancelled
                received += len(piece)
                self._check_size(url, received)
                file.write(piece)
                on_progress(received, total)
            if total is not None and received < total:
                raise InputError("url_cut_off", url=_shown(url), received=received, total=total)

    def _check_size(self, url: str, size_bytes: int) -> None:
        if size_bytes > self._settings.most_bytes:
            raise InputError("url_too_large", url=_shown(url), most=human_size(self._settings.most_bytes))

    @contextmanager
    def _opened(self, client: httpx.Client, url: str, deadline: _Deadline) -> Iterator[httpx.Response]:
        """Yield the answer to a GET request; each redirect is checked like the address itself."""
        at = url
        for _ in range(_MOST_REDIRECTS):
            self.check_source(at)
            target = s3.presigned_url(at, self._settings.s3) if at.startswith("s3://") else at
            request = self._request(client, "GET", target, deadline, b"", {"Accept-Encoding": "identity"})
            response = client.send(request, stream=True)
            try:
                if response.status_code == 200:
                    yield response
                    return
                if not (response.is_redirect and not at.startswith("s3://")):
                    raise InputError("url_refused", url=_shown(url), status=response.status_code)
                at = urljoin(at, response.headers["location"])
            finally:
                response.close()
        raise InputError("url_redirects", url=_shown(url), most=_MOST_REDIRECTS)

    @staticmethod
    def _client() -> httpx.Client:
        import httpx  # pages and commands start without it

        timeout = httpx.Timeout(_IDLE_SECONDS, connect=_CONNECT_SECONDS)
        return httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False)

    def _request(
        self, client: httpx.Client, method: str, url: str, deadline: _Deadline, body: bytes, headers: dict[str, str]
    ) -> httpx.Request:
        """Build a request to a checked address of the host; certificates are checked for its name."""
        import httpx

        named = httpx.URL(url)
        return client.build_request(
            method,
            named.copy_with(host=self.resolve(url)),
            content=body,
            headers={**headers, "Host": named.netloc.decode("ascii")},
            extensions={"sni_hostname": named.raw_host.decode("ascii"), "trace": deadline.follow},
        )

    def _may_reach(self, address: str) -> bool:
        real = _real(ipaddress.ip_address(address.partition("%")[0]))
        return _is_global(real) or any(real in network for network in self._private)


def _is_global(address: Address) -> bool:
    """Return whether an address belongs to the whole world's network, and to one machine of it."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in one for one in _NOT_GLOBAL)


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains, if any: mapped, 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


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


class _Deadline:
    """Context that ends a connection when the time is up, however slowly a server sends its bytes.

    Errors of the connection become InputError("url_unreachable"), or "url_too_slow" if the time is up.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url = _shown(url)
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._is_over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the socket of a connection; httpx calls this with each of its events."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import httpx

        self._timer.cancel()
        is_network = isinstance(error, (httpx.HTTPError, httpx.InvalidURL))
        if self._is_over and (is_network or error is None or isinstance(error, InputError)):
            raise InputError("url_too_slow", url=self._url, seconds=round(self._seconds)) from error
        if is_network:
            reason = redact(str(error)) or type(error).__name__
            raise InputError("url_unreachable", url=self._url, reason=reason[:_MOST_SHOWN]) from error

    def _end(self) -> None:
        self._is_over = True
        if self._socket:
            with suppress(OSError):  # it was closed
                self._socket.shutdown(socket.SHUT_RDWR)
