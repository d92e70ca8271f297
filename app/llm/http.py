"""HTTP clients for engines. One on this machine is never asked through the proxy that the environment names."""

from __future__ import annotations

import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx

_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=5.0)


def client(base_url: str) -> httpx.Client:
    """For short questions; close it, or use it in a `with`."""
    return httpx.Client(trust_env=not _is_here(base_url), verify=_certificates())


def authorization(api_key: str) -> dict[str, str]:
    """The header that shows the key; none without one, since an empty one is no header that can be sent."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def async_client(base_url: str) -> httpx.AsyncClient:
    """Shared by all requests of the process, which all run on the one loop of `app.llm.stream`."""
    return _async_client(not _is_here(base_url))


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: that takes 30 ms, which every part's request would pay."""
    return httpx.create_ssl_context()


@cache
def _async_client(trust_env: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=trust_env, limits=_LIMITS)


def _is_here(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
