"""Gate in front of every route: it checks origin and key and returns errors as JSON. It is independent of resources.

Streamlit's own protection against other websites doesn't cover added routes, so each request must have the random key
of this process (header `FrameLens-Key` or `?key=`) and come from a page of this server (`app.api.allowed_hosts`).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.api.allowed_hosts import AllowedHosts
from app.core import AppError, EngineError, InputError, Language, StorageError, as_app_error
from app.i18n import LANGUAGES, error_text, language_of

if TYPE_CHECKING:
    from app.services import Services

Endpoint = Callable[[Request, "Services"], Awaitable[Response]]

_log = logging.getLogger(__name__)
_STATUS = {
    "route_host": 403,
    "route_origin": 403,
    "route_token": 403,
    "upload_unknown": 404,
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
    "disk_full_now": 507,
}
# A file or a picture may be displayed by the browser and nothing else.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Gate:
    """Access check for requests of the app's own pages and of programs with the key.

    Attributes:
        key: The random key of this process.
        services: The services that endpoints use; None until they are open.
    """

    def __init__(self, allowed: AllowedHosts) -> None:
        self.key = secrets.token_urlsafe(32)
        self.services: Services | None = None
        self._allowed = allowed

    def route(self, path: str, endpoint: Endpoint, *methods: str) -> Route:
        """Return a route whose endpoint is called with (request, services) only after all checks have passed."""

        async def guarded(request: Request) -> Response:
            try:
                self._check(request)
                if self.services is None:
                    return Response(status_code=503)
                response = await endpoint(request, self.services)
            except AppError as error:
                response = error_response(error, request)
            except Exception as error:  # noqa: BLE001 - a bug is logged and reported without its details
                _log.exception("%s %s failed", request.method, request.url.path)
                log = self.services.log_path if self.services else ""
                response = error_response(as_app_error(error, log), request)
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return Route(path, guarded, methods=list(methods))

    def _check(self, request: Request) -> None:
        self._allowed.check(request.headers)
        site = request.headers.get("sec-fetch-site", "same-origin")
        if "origin" not in request.headers and site not in ("same-origin", "none"):
            raise InputError("route_origin", origin=site[:200])
        key = request.headers.get("framelens-key") or request.query_params.get("key", "")
        if not secrets.compare_digest(key.encode(), self.key.encode()):
            raise InputError("route_token")


def error_response(error: AppError, request: Request) -> JSONResponse:
    """Return `{"error": text, "key": key}` in the reader's language with the matching status."""
    text = error_text(error, _language(request))
    return JSONResponse({"error": text, "key": error.key}, status_code=_status(error))


def _status(error: AppError) -> int:
    default = 400 if isinstance(error, InputError) else 502 if isinstance(error, EngineError) else 500
    return _STATUS.get(error.key, 507 if isinstance(error, StorageError) else default)


def _language(request: Request) -> Language:
    asked = request.query_params.get("lang")
    for language in LANGUAGES:
        if asked == language:
            return language
    return language_of(request.headers.get("accept-language"))
