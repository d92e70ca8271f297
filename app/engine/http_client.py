"""Small GET requests to an engine: a URL in, text, parsed JSON or a typed failure out. No retries, no streaming.

Engines on this machine are asked without any proxy; a remote one is asked through the one the environment names.
Nothing is sent on to another address, however an answer asks for it: the key is meant for this one alone.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from app.redaction import masked, remember_secret

_PORTS = {"http": 80, "https": 443}


class NoAnswer(Exception):
    """Nothing usable came back: `status` is the HTTP status, or None where there was no connection at all.

    `redirect` is the other address that the answer pointed to, "" for none.
    """

    def __init__(self, reason: str, status: int | None = None, *, redirect: str = "") -> None:
        super().__init__(masked(reason))
        self.status = status
        self.redirect = masked(redirect)


class _Redirected(urllib.error.HTTPError):
    """An answer that points to another scheme, host or port."""

    def __init__(self, url: str, target: str, code: int, headers: HTTPMessage, body: IO[bytes]) -> None:
        super().__init__(url, code, f"redirects to {target}", headers, body)
        self.target = target


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows redirects within one scheme, host and port."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if _origin(newurl) != _origin(req.full_url):
            raise _Redirected(req.full_url, newurl, code, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _SameOrigin)
_proxied = urllib.request.build_opener(_SameOrigin)


def get_json(
    url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True, most_bytes: int | None = None
) -> object:
    """The JSON at `url`, of `most_bytes` at most; None for an empty body.

    Raises NoAnswer for anything but a 2xx answer that is JSON.
    """
    body = _get(url, api_key, timeout_seconds, local, most_bytes)
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise NoAnswer("the answer is not JSON", 200) from error


def get_text(url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True) -> str:
    """The text at `url`. Raises NoAnswer for anything but a 2xx answer."""
    return _get(url, api_key, timeout_seconds, local).decode(errors="replace")


def _get(url: str, api_key: str, timeout_seconds: float, local: bool, most_bytes: int | None = None) -> bytes:
    remember_secret(api_key)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {api_key}"} if api_key else {})
    try:
        with (_direct if local else _proxied).open(request, timeout=timeout_seconds) as response:
            body: bytes = response.read(most_bytes)
            return body
    except _Redirected as error:
        with error:
            raise NoAnswer(f"HTTP {error.code} {error.reason}", error.code, redirect=error.target) from None
    except urllib.error.HTTPError as error:
        with error:
            raise NoAnswer(f"HTTP {error.code} {error.reason}", error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(str(getattr(error, "reason", "") or error) or type(error).__name__) from error


def served_models(models: object) -> dict[str, int | None]:
    """Name → max_model_len (None where not told) from the answer of /v1/models. Raises NoAnswer for another shape."""
    try:
        entries = models["data"]  # type: ignore[index]
        return {str(entry["id"]): entry.get("max_model_len") for entry in entries}
    except (TypeError, KeyError, AttributeError) as error:
        raise NoAnswer("the answer is not a list of models", 200) from error
