"""Small GET requests to an engine: a URL in, text, parsed JSON or a typed failure out. No retries, no streaming.

Engines on this machine are asked without any proxy; a remote one is asked through the one the environment names.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_proxied = urllib.request.build_opener()


class NoAnswer(Exception):
    """Nothing usable came back: `status` is the HTTP status, or None where there was no connection at all."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def get_json(url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True) -> object:
    """The JSON at `url`; None for an empty body. Raises NoAnswer for anything but a 2xx answer that is JSON."""
    body = _get(url, api_key, timeout_seconds, local)
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise NoAnswer("the answer is not JSON", 200) from error


def get_text(url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True) -> str:
    """The text at `url`. Raises NoAnswer for anything but a 2xx answer."""
    return _get(url, api_key, timeout_seconds, local).decode(errors="replace")


def _get(url: str, api_key: str, timeout_seconds: float, local: bool) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {api_key}"} if api_key else {})
    try:
        with (_direct if local else _proxied).open(request, timeout=timeout_seconds) as response:
            body: bytes = response.read()
            return body
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
