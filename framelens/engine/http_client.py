"""HTTP client for small GET requests to an engine, and parser of its metrics. No retries, no streaming, no compression.

Engines on this machine are reached without a proxy, remote ones through the environment's. Redirects to another origin
are not followed, since the API key is meant for this one only. Of the metrics, in Prometheus's text format, only the
requested names are read; other lines and invalid ones are ignored.
"""

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO, Self
from urllib.parse import urlsplit

from framelens.core.redaction import redact, remember_secret
from framelens.core.refusals import read_json

_PORTS = {"http": 80, "https": 443}
_MOST_QUOTED = 20_000
"""Bytes that are kept of an answer that can't be used."""
_MOST_BYTES = 16 * 2**20
"""Of an answer: a service with 400 models lists them in 1 MB, a vLLM of eight copies has 1 MB of metrics."""


class NoAnswer(Exception):
    """A request without a usable answer.

    Attributes:
        status: HTTP status, or None if there was no connection.
        redirect: Address on another origin that the answer redirected to, "" if none.
        body: Beginning of the answer's text.
        headers: Headers of a refusal.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        redirect: str = "",
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(redact(reason))
        self.status = status
        self.body, self.headers = body, headers or {}
        self.redirect = redact(redirect)


class _Redirected(urllib.error.HTTPError):
    """A redirect to another scheme, host or port."""

    def __init__(self, url: str, target: str, code: int, headers: HTTPMessage, body: IO[bytes]) -> None:
        super().__init__(url, code, f"redirects to {target}", headers, body)
        self.target = target


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Redirect handler that only follows redirects within one scheme, host and port."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the redirected request, or raise `_Redirected` for another origin."""
        if _origin(newurl) != _origin(req.full_url):
            raise _Redirected(req.full_url, newurl, code, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


class _Deadline:
    """Time by which an answer has to be there; the timeout of a socket bounds a single wait only."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.is_over = seconds, False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, connected: socket.socket) -> None:
        """End this connection when the time is up."""
        self._socket = connected

    def __enter__(self) -> Self:
        _deadlines.current = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _deadlines.current = None

    def _end(self) -> None:
        self.is_over = True
        if self._socket:
            with suppress(OSError):  # it was closed
                self._socket.shutdown(socket.SHUT_RDWR)


class _Deadlines(threading.local):
    """The deadline of each thread's request."""

    current: _Deadline | None = None


_deadlines = _Deadlines()


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        if _deadlines.current:
            _deadlines.current.watch(self.sock)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        if _deadlines.current:
            _deadlines.current.watch(self.sock)


class _Watched(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Handler whose connections keep to the deadline of their thread."""

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request."""
        return self.do_open(_PlainConnection, req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request over TLS."""
        return self.do_open(_SecureConnection, req)


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _SameOrigin, _Watched)
_proxied = urllib.request.build_opener(_SameOrigin, _Watched)


def get_json(
    url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True, max_bytes: int = _MOST_BYTES
) -> object:
    """Get and parse the JSON at `url`.

    Args:
        url: Address.
        api_key: Sent as a bearer token; "" for none.
        timeout_seconds: Bounds each wait for the server; the whole answer may take twice as long.
        local: Whether to connect without a proxy.
        max_bytes: Longest body.

    Returns:
        The parsed JSON, None for an empty body.

    Raises:
        NoAnswer: No connection, a status other than 2xx, a body that is too long or no JSON.
    """
    body = _get(url, api_key, timeout_seconds, local, max_bytes)
    found = read_json(body)
    if found is None and body:
        raise NoAnswer("the answer is not JSON", 200, body=body[:_MOST_QUOTED].decode(errors="replace"))
    return found


def get_text(url: str, *, api_key: str = "", timeout_seconds: float = 5.0, local: bool = True) -> str:
    """Get the text at `url`; the arguments are those of `get_json`.

    Raises:
        NoAnswer: No connection, a status other than 2xx, or a body that is too long.
    """
    return _get(url, api_key, timeout_seconds, local, _MOST_BYTES).decode(errors="replace")


def _get(url: str, api_key: str, timeout_seconds: float, local: bool, max_bytes: int) -> bytes:
    remember_secret(api_key)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {api_key}"} if api_key else {})
    with _Deadline(2 * timeout_seconds) as deadline:
        try:
            with (_direct if local else _proxied).open(request, timeout=timeout_seconds) as response:
                body: bytes = response.read(max_bytes + 1)
        except _Redirected as error:
            with error:
                raise NoAnswer(f"HTTP {error.code} {error.reason}", error.code, redirect=error.target) from None
        except urllib.error.HTTPError as error:
            with error:
                said = _beginning(error)
            raise NoAnswer(
                f"HTTP {error.code} {error.reason}", error.code, body=said, headers=dict(error.headers)
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            if not deadline.is_over:
                raise NoAnswer(str(getattr(error, "reason", "") or error) or type(error).__name__) from error
    if deadline.is_over:
        raise NoAnswer(f"the answer took longer than {deadline.seconds:g} s")
    if len(body) > max_bytes:
        raise NoAnswer(f"the answer is longer than {max_bytes} bytes", 200)
    return body


def _beginning(response: urllib.error.HTTPError) -> str:
    """Return the beginning of a refusal's text; "" if it can't be read."""
    try:
        return response.read(_MOST_QUOTED).decode(errors="replace")
    except (OSError, HTTPException, ValueError):
        return ""


def served_models(models: object) -> dict[str, int | None]:
    """Parse the answer of /v1/models.

    Returns:
        Model name → max_model_len in tokens, None if not reported.

    Raises:
        NoAnswer: The answer has another shape.
    """
    try:
        entries = models if isinstance(models, list) else models["data"]  # type: ignore[index]  # Together lists them so
        return {str(entry["id"]): _positive(entry.get("max_model_len")) for entry in entries}
    except (TypeError, KeyError, AttributeError) as error:
        raise NoAnswer("the answer is not a list of models", 200, body=json.dumps(models)[:_MOST_QUOTED]) from error


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def is_vllm(models: object) -> bool:
    """Return whether the answer of /v1/models is that of vLLM."""
    entries = models.get("data") if isinstance(models, dict) else None
    return any(isinstance(one, dict) and one.get("owned_by") == "vllm" for one in entries or ())


_LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def metrics_url(base_url: str) -> str:
    """Return the address of the metrics of the engine at `base_url`, which ends in a version.

    >>> metrics_url("http://127.0.0.1:8000/v1")
    'http://127.0.0.1:8000/metrics'
    """
    return _root(base_url) + "/metrics"


def health_url(base_url: str) -> str:
    """Return the address at which vLLM says whether it is well, as `metrics_url` returns that of its metrics."""
    return _root(base_url) + "/health"


def _root(base_url: str) -> str:
    return re.sub(r"/v\d+\w*$", "", base_url)


def read_metrics(text: str, names: Collection[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Parse (name, labels, value) of each line whose name is among `names`, in their order."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None or found["name"] not in names:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        labels = {name: _unescaped(label) for name, label in _LABEL.findall(found["labels"] or "")}
        yield found["name"], labels, value


def _unescaped(label: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label)
