"""Hosts and origins that may use the page, and the ASGI layer that checks them in front of everything.

A browser names the address that it was sent to (Host) and the page that asks (Origin). Comparing one with the other is
not enough: a website whose name is made to lead to this machine (DNS rebinding) has both right. So the name itself must
be one of this server's, for pages, routes and the WebSocket alike.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import AppError, InputError
from app.i18n import error_text, language_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"\[[0-9a-f:.]+\](:\d{1,5})?|[^\s/?#@:\[\]\\]+(:\d{1,5})?")
_MOST_SHOWN = 200


@dataclass(frozen=True)
class AllowedHosts:
    """The names under which the page may be opened, and the pages that may ask for it.

    Attributes:
        names: Host names in lower case without port. "*.example.org" stands for all names below, "*" for every name.
        any_address: Whether every IP address may be the Host. A page at an IP address cannot be rebound: there is no
            name that could lead elsewhere. Without it only the addresses of this machine alone (127.0.0.1, ::1) may.
        origins: Origins ("https://frames.example.org") that may ask although they are not the Host's: a reverse
            proxy's, where it does not pass the Host on.
    """

    names: frozenset[str] = frozenset({"localhost"})
    any_address: bool = False
    origins: frozenset[str] = frozenset()

    @classmethod
    def of_server(
        cls,
        address: str | None,
        *,
        public_name: str = "",
        public_port: int | None = None,
        more_names: Iterable[str] = (),
        more_origins: Iterable[str] = (),
    ) -> AllowedHosts:
        """Return what a server at `address` is open to.

        Args:
            address: What the server listens on; None for all addresses.
            public_name: The name under which a reverse proxy, or the network's DNS, knows this server.
            public_port: The port that belongs to `public_name`, beside 80 and 443.
            more_names: Further names, also "*.example.org".
            more_origins: Further origins.
        """
        names = {"localhost", *map(_plain, more_names)}
        is_open = not _is_loopback(_plain(address or "0.0.0.0"))
        if is_open:
            own = _plain(socket.gethostname())
            names |= {own, f"{own.partition('.')[0]}.local", _plain(address or own)}
        origins = {origin.strip().rstrip("/").lower() for origin in more_origins}
        if name := _plain(public_name):
            names.add(name)
            shown = f"[{name}]" if ":" in name else name
            origins |= {f"{scheme}://{shown}" for scheme in _DEFAULT_PORTS}
            origins |= {f"{scheme}://{shown}:{public_port}" for scheme in _DEFAULT_PORTS if public_port}
        return cls(frozenset(names - {""}), is_open, frozenset(origins))

    def check(self, headers: Headers) -> None:
        """Raise InputError where a request with these headers does not come from a page of this server."""
        host = headers.get("host", "").lower()
        if not self._is_name(host):
            raise InputError("route_host", host=host[:_MOST_SHOWN])
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin.lower(), host):
            raise InputError("route_origin", origin=origin[:_MOST_SHOWN])

    def _is_name(self, host: str) -> bool:
        if not _HOST.fullmatch(host):
            return False
        name = _plain(urlsplit(f"//{host}").hostname or "")
        if name in self.names or "*" in self.names:
            return True
        if _is_address(name):
            return self.any_address or _is_loopback(name)
        return any(pattern.startswith("*.") and name.endswith(pattern[1:]) for pattern in self.names)

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether it is the page at `host`, whose name has been checked. Another port is another page."""
        if origin in self.origins:
            return True
        scheme, _, place = origin.partition("://")
        port = _DEFAULT_PORTS.get(scheme)
        return port is not None and place.removesuffix(f":{port}") == host.removesuffix(f":{port}")


class PageProtection:
    """ASGI layer: refuses other hosts and origins, and tells browsers what the page may load and who may frame it."""

    def __init__(self, app: ASGIApp, *, allowed: AllowedHosts, policy: str) -> None:
        self._app = app
        self._allowed = allowed
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._allowed.check(headers)
        except AppError as error:
            await _refuse(error, scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answered.setdefault(name, value)
            await send(message)

        if headers.get("origin", "").lower() in self._allowed.origins:
            # Streamlit would check an origin that differs from the Host again, and for that look up this machine's
            # public address at a server outside.
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"origin"]}
        await self._app(scope, receive, send_protected)


def content_policy(page: str) -> str:
    """Return the Content-Security-Policy for `page`, an HTML text: everything from this server, nothing from elsewhere.

    Scripts that are written into the page are allowed by their hashes. Streamlit loads components as `blob:` modules
    and makes its styles by scripts.
    """
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline)
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(["script-src 'self' blob:", *(f"'sha256-{digest}'" for digest in digests)]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


async def _refuse(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the request to connect; a close in answer to it is a 403
        await send({"type": "websocket.close", "code": 1008, "reason": error.key})
        return
    text = error_text(error, language_of(Headers(scope=scope).get("accept-language")))
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    await PlainTextResponse(text, status_code=403, headers=headers)(scope, receive, send)


def _plain(name: str) -> str:
    return name.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
