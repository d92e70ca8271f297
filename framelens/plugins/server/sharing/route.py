"""Route for shared reports: opened by a link alone, without an account, from wherever the link is.

So it has no gate with a key: the token in the path is the key. Everything that isn't a valid link gets the same answer.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from framelens.api.gate import SAFE_HEADERS, Gate, GuardedRoute, status_of
from framelens.core.errors import AppError, as_app_error
from framelens.i18n import accepted_language, error_text, in_language
from framelens.plugins.server.sharing.shares import open_shared
from framelens.services.stored_reports import StoredReports
from framelens.store.database import Store

_log = logging.getLogger(__name__)
_AT_A_TIME = 2
"""Reports that are written at the same time; others wait."""
_HEADERS = {
    **SAFE_HEADERS,
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
}


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of this resource below `prefix`."""
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def opened(request: Request) -> Response:
        with in_language(accepted_language(request.headers.get("accept-language"))):
            services = gate.services
            if services is None:
                return Response(status_code=503, headers=_HEADERS)
            answer = partial(_answer, services.store, services.reports, services.log_path)
            async with slots:
                return await run_in_threadpool(answer, request.path_params["token"])

    return [GuardedRoute(f"{prefix}/shared/{{token}}", opened, ["GET"], None)]


def _answer(store: Store, reports: StoredReports, log_path: Path, token: str) -> Response:
    try:
        page = open_shared(store, reports, token)
    except AppError as error:
        return PlainTextResponse(
            error_text(error), 404 if error.key == "share_unknown" else status_of(error), headers=_HEADERS
        )
    except Exception as error:  # noqa: BLE001 - a bug is logged and reported without its details
        _log.exception("a shared report could not be written")
        return PlainTextResponse(error_text(as_app_error(error, log_path)), 500, headers=_HEADERS)
    return Response(page, media_type="text/html; charset=utf-8", headers=_HEADERS)
