"""Gate in front of every page, route and WebSocket: allowed hosts, origins and keys, and errors as JSON.

A browser sends the address of the request (Host) and the page that makes it (Origin). Comparing the two is not enough:
with DNS rebinding, a website whose name resolves to this machine has both equal. So the name itself must be
this server's, which `PageProtection` checks as ASGI middleware.

Streamlit's own protection against other websites doesn't cover added routes, so each of their requests must also have
a random key (header `FrameLens-Key` or `?key=`): this process's or, where there are accounts, the session's
whose cookie it has.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framelens.composition import Services
from framelens.core.domain import Language
from framelens.core.errors import AppError, ConfigError, EngineError, InputError, StorageError
from framelens.core.files import readable
from framelens.core.roles import LOCAL_USER, Role, User, as_user, require_role
from framelens.i18n import LANGUAGES, accepted_language, error_text, in_language
from framelens.store.authentication import COOKIE

Endpoint = Callable[[Request, "Services"], Awaitable[Response]]

_log = logging.getLogger(__name__)
_STATUS = {
    "route_host": 403,
    "route_origin": 403,
    "route_token": 403,
    "login_needed": 401,
    "login_wrong": 401,
    "login_limit": 429,
    "role_analyst": 403,
    "role_administrator": 403,
    "accounts_needed": 403,
    "accounts_without_plugin": 403,
    "api_key_without_user": 401,
    "upload_unknown": 404,
    "report_format_unknown": 404,
    "path_none_allowed": 403,
    "video_unknown": 404,
    "job_unknown": 404,
    "frame_unknown": 404,
    "still_missing": 404,
    "path_missing": 404,
    "path_outside": 403,
    "upload_conflict": 409,
    "tus_version": 412,
    "upload_too_long": 413,
    "upload_type": 415,
    "upload_busy": 423,
    "disk_full": 507,
    "upload_quota": 507,
    "upload_too_large": 413,
    "uploads_unfinished": 429,
    "user_jobs_full": 429,
    "answers_many": 429,
    "exports_many": 429,
    "batch_unknown": 404,
    "disk_full_now": 507,
    "file_no_room": 507,
    "conversation_unknown": 404,
    "turn_unknown": 404,
    "api_path_unknown": 404,
    "no_report_yet": 409,
    "job_still_runs": 409,
    "answer_under_way": 409,
    "upload_incomplete": 409,
    "subtitles_for_path": 409,
    "subtitles_not_known": 409,
    "subtitles_too_large": 413,
    "report_empty": 409,
    "api_report_empty": 409,
    "document_too_heavy": 422,
}
# A file or a picture may be displayed by the browser and nothing else.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"\[[0-9a-f:.]+\](:\d{1,5})?|[^\s/?#@:\[\]\\]+(:\d{1,5})?")
_MOST_SHOWN = 200  # characters of a header in an error
_HTTPS_SECONDS = 365 * 86_400
"""For how long a browser that has used HTTPS uses nothing else: a year, as browsers ask for their own lists."""


@dataclass(frozen=True)
class AllowedHosts:
    """Names under which the page may be opened, and origins that may send requests to it.

    Attributes:
        names: Host names in lower case without port. "*.example.org" matches all subdomains, "*" every name.
        any_address: Whether every IP address may be the Host. A page at an IP address has no name that could be
            rebound. If false, only loopback addresses (127.0.0.1, ::1) may.
        origins: Origins ("https://frames.example.org") that are allowed although they differ from the Host, for a
            reverse proxy that doesn't forward the Host.
    """

    names: frozenset[str] = frozenset({"localhost"})
    any_address: bool = False
    origins: frozenset[str] = frozenset()

    @classmethod
    def for_server(
        cls,
        address: str | None,
        *,
        public_name: str = "",
        public_port: int | None = None,
        more_names: Iterable[str] = (),
        more_origins: Iterable[str] = (),
    ) -> AllowedHosts:
        """Return the hosts and origins for a server at `address`.

        Args:
            address: The address that the server listens on; None for all addresses.
            public_name: The server's name at a reverse proxy or in the network's DNS.
            public_port: The port of `public_name`, in addition to 80 and 443.
            more_names: Further names, also patterns such as "*.example.org".
            more_origins: Further origins.
        """
        names = {"localhost", *map(_plain_host, more_names)}
        is_open = not is_loopback(_plain_host(address or "0.0.0.0"))
        if is_open:
            own = _plain_host(socket.gethostname())
            names |= {own, f"{own.partition('.')[0]}.local", _plain_host(address or own)}
        origins = {origin.strip().rstrip("/").lower() for origin in more_origins}
        if name := _plain_host(public_name):
            names.add(name)
            shown = f"[{name}]" if ":" in name else name
            origins |= {f"{scheme}://{shown}" for scheme in _DEFAULT_PORTS}
            origins |= {f"{scheme}://{shown}:{public_port}" for scheme in _DEFAULT_PORTS if public_port}
        return cls(frozenset(names - {""}), is_open, frozenset(origins))

    @property
    def are_public(self) -> bool:
        """Return whether the settings let other machines open the page."""
        return self.any_address or bool(self.names - {"localhost"} or self.origins)

    def check(self, headers: Headers) -> None:
        """Check that a request with these headers comes from a page of this server.

        Raises:
            InputError: "route_host" or "route_origin", if it doesn't.
        """
        host = headers.get("host", "").lower()
        if not self._is_name(host):
            raise InputError("route_host", host=host[:_MOST_SHOWN])
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin.lower(), host):
            raise InputError("route_origin", origin=origin[:_MOST_SHOWN])

    def _is_name(self, host: str) -> bool:
        if not _HOST.fullmatch(host):
            return False
        name = _plain_host(urlsplit(f"//{host}").hostname or "")
        if name in self.names or "*" in self.names:
            return True
        if _is_address(name):
            return self.any_address or is_loopback(name)
        return any(pattern.startswith("*.") and name.endswith(pattern[1:]) for pattern in self.names)

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether the origin is the page at `host`, whose name was checked. A different port is another page."""
        if origin in self.origins:
            return True
        scheme, _, address = origin.partition("://")
        port = _DEFAULT_PORTS.get(scheme)
        return port is not None and address.removesuffix(f":{port}") == host.removesuffix(f":{port}")


class PageProtection:
    """ASGI middleware that refuses other hosts and origins and adds security headers to responses."""

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
        """Check an HTTP or WebSocket request and pass it on to the app."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._allowed.check(headers)
            if not scope["path"].isprintable():  # a line break at its end would fit the route of the path without it
                raise InputError("api_path_unknown", path=readable(scope["path"])[:_MOST_SHOWN])
        except AppError as error:
            await refuse(error, scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answered.setdefault(name, value)
                if scope["scheme"] in ("https", "wss"):
                    _keep_https(message, headers)
            await send(message)

        origin = headers.get("origin", "")
        if origin.lower() in self._allowed.origins:
            # Streamlit would check an origin that differs from the Host again, and query an external server for this
            # machine's public address. It needs the origin for logins through another service.
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope = {**scope, "headers": [*others, (b"host", origin.partition("://")[2].encode("latin-1"))]}
        await self._app(scope, receive, send_protected)


def _keep_https(message: Message, headers: Headers) -> None:
    """Have the browser use HTTPS for this name from now on, and send no cookie without it."""
    answered = MutableHeaders(scope=message)
    if not is_loopback(_plain_host(urlsplit(f"//{headers['host']}").hostname or "")):  # other programs have ports there
        answered.setdefault("Strict-Transport-Security", f"max-age={_HTTPS_SECONDS}")
    message["headers"] = [
        (name, value + b"; Secure" if name == b"set-cookie" and b"; secure" not in value.lower() else value)
        for name, value in message["headers"]
    ]


def content_policy(page: str) -> str:
    """Return the Content-Security-Policy for an HTML page that loads everything from this server.

    Inline scripts are allowed by their hashes. Streamlit loads components as `blob:` modules and creates styles in
    scripts.
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


class GuardedRoute(Route):
    """A route of the page that says who may use it.

    Attributes:
        role: The least role of its users; None if it is open to users who aren't logged in.
    """

    def __init__(self, path: str, endpoint: object, methods: list[str], role: Role | None) -> None:
        super().__init__(path, endpoint, methods=methods)  # type: ignore[arg-type]
        self.role = role

    @property
    def roles(self) -> dict[str, Role | None]:
        """Return the role by method and path; a route of a plugin may list several."""
        methods = self.methods or set()
        listed = methods - {"HEAD"} if "GET" in methods else methods
        return {f"{method} {self.path}": self.role for method in sorted(listed)}


class Gate:
    """Access check for requests of the app's own pages and of programs with the key.

    Attributes:
        key: The random key of this process, for an installation without accounts.
        services: The services that endpoints use; None until they are open.
    """

    def __init__(self, allowed: AllowedHosts) -> None:
        self.key = secrets.token_urlsafe(32)
        self.services: Services | None = None
        self._allowed = allowed

    def route(self, path: str, endpoint: Endpoint, *methods: str, role: Role | None) -> GuardedRoute:
        """Return a route whose endpoint is called with (request, services) only after all checks have passed.

        Args:
            path: Path of the route.
            endpoint: The handler, which runs as the user of the request.
            *methods: HTTP methods of the route.
            role: The least role of its users, whose requests have the key, and a session where there are accounts.
                None admits users who aren't logged in.
        """

        async def guarded(request: Request) -> Response:
            with in_language(_language(request)):
                try:
                    self._check(request)
                    user = await run_in_threadpool(self._user, request) if role else LOCAL_USER
                    if self.services is None:
                        return Response(status_code=503)
                    with as_user(user):
                        require_role(role or "viewer")
                        response = await endpoint(request, self.services)
                except AppError as error:
                    response = error_response(error)
                except Exception as error:  # noqa: BLE001 - a bug is logged and reported without its details
                    _log.exception("%s %s failed", request.method, request.url.path)
                    log = self.services.log_path if self.services else ""
                    response = error_response(AppError.of(error, log))
            for name, value in SAFE_HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "private, no-store")
            return response

        return GuardedRoute(path, guarded, list(methods), role)

    def _check(self, request: Request) -> None:
        self._allowed.check(request.headers)
        site = request.headers.get("sec-fetch-site", "same-origin")
        if "origin" not in request.headers and site not in ("same-origin", "none"):
            raise InputError("route_origin", origin=site[:200])

    def _user(self, request: Request) -> User:
        """Return the user of a request, after checking its key: the session's or, without accounts, the process's.

        Raises:
            InputError: "login_needed" or "route_token".
            ConfigError: "accounts_without_plugin".
        """
        uses = request.method not in ("GET", "HEAD")  # an unused page fetches pictures, too
        cookie = request.cookies.get(COOKIE, "")
        session = self.services.authentication.session(cookie, uses=uses) if self.services else None
        key = request.headers.get("framelens-key") or request.query_params.get("key", "")
        if not secrets.compare_digest(key.encode(), (session.key if session else self.key).encode()):
            raise InputError("route_token")
        return session.user if session else LOCAL_USER


def error_response(error: AppError, status: int | None = None) -> JSONResponse:
    """Return `{"error": text, "key": key}` in the reader's language with the matching or the given status."""
    return JSONResponse({"error": error_text(error), "key": error.key}, status_code=status or status_of(error))


def status_of(error: AppError) -> int:
    """Return the HTTP status of an error."""
    kinds = {InputError: 400, ConfigError: 400, EngineError: 502, StorageError: 507}
    default = next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)
    return _STATUS.get(error.key, default)


def _language(request: Request) -> Language:
    code = request.query_params.get("lang")
    for language in LANGUAGES:
        if code == language:
            return language
    return accepted_language(request.headers.get("accept-language"))


async def refuse(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an HTTP or WebSocket request with an error as plain text."""
    if scope["type"] == "websocket":
        await receive()  # the connection request; closing it now is answered with 403
        await send({"type": "websocket.close", "code": 1008, "reason": error.key})
        return
    text = error_text(error, accepted_language(Headers(scope=scope).get("accept-language")))
    headers = {**SAFE_HEADERS, "Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    await PlainTextResponse(text, status_code=403, headers=headers)(scope, receive, send)


def _plain_host(name: str) -> str:
    return name.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Return whether a name or address means this machine alone."""
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
