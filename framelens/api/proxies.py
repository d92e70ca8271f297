"""Headers of reverse proxies: believed from the proxies that a setting names, and removed from every request.

A proxy gives the client's address (X-Forwarded-For), the scheme that the browser uses (X-Forwarded-Proto) and the host
(X-Forwarded-Host). Anyone can send these headers. uvicorn would believe them from every program on this machine, so
its own check is replaced (`replace_check_of_uvicorn`) and its middleware is used here, with the addresses of the
setting FRAMELENS_NETWORK.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import uvicorn.config
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from framelens.api.gate import Gate

IS_FORWARDED = "framelens.is_forwarded"
"""Key of a scope: whether headers from a sender that isn't a trusted proxy name another client."""
_CLIENT = (b"x-forwarded-for", b"x-real-ip", b"forwarded")
_OTHERS = (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-server")


class TrustedProxies:
    """ASGI middleware that sets client, scheme and host of a request from the headers of a trusted proxy.

    The app reads these alone: no header of a proxy is passed on.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._for = lru_cache(1)(self._believing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        services = self._gate.services
        trusted = services.settings.access.trusted_proxies if services else ()
        scope = {**scope, "client": _without_mapping(scope.get("client"))}
        await self._for(trusted)(scope, receive, send)

    def _believing(self, trusted: Sequence[str]) -> Any:
        believing = ProxyHeadersMiddleware(self._app_without_headers, list(trusted))  # type: ignore[arg-type]

        async def called(scope: Scope, receive: Receive, send: Send) -> None:
            client = scope["client"]
            is_trusted = client is not None and client[0] in believing.trusted_hosts
            names = {name for name, _ in scope["headers"]}
            scope[IS_FORWARDED] = not is_trusted and not names.isdisjoint(_CLIENT)
            if is_trusted and (host := _forwarded_host(scope)):
                scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"host"] + [(b"host", host)]
            await believing(scope, receive, send)  # type: ignore[arg-type]

        return called

    async def _app_without_headers(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] not in (*_CLIENT, *_OTHERS)]
        await self._app({**scope, "headers": headers, "client": _without_mapping(scope.get("client"))}, receive, send)


def replace_check_of_uvicorn() -> None:
    """Keep uvicorn from believing headers of proxies; called while uvicorn imports the app, before it wraps the app.

    uvicorn's settings can't be reached: Streamlit makes them before it imports our code.
    """
    vars(uvicorn.config)["ProxyHeadersMiddleware"] = lambda app, trusted_hosts: app


def _forwarded_host(scope: Scope) -> bytes:
    """Return the host that the nearest proxy gives, which is the last in the headers, or b""."""
    hosts = Headers(scope=scope).getlist("x-forwarded-host")
    return hosts[-1].rpartition(",")[2].strip().encode("latin-1") if hosts else b""


def _without_mapping(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """Return a client with its IPv4 address written as IPv4; a socket for IPv4 and IPv6 writes it as IPv6."""
    with suppress(ValueError, TypeError):
        host, port = client or ("", 0)
        address = ipaddress.ip_address(host)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            return str(address.ipv4_mapped), port
    return client
