"""Route that logs a browser in: it begins a session for a name and a password, or for a ticket, and sets its cookie."""

from typing import cast

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens import InputError
from framelens.plugin import Services
from framelens.plugin.api import Gate
from framelens.plugin.users import COOKIE
from framelens.plugins.accounts.logins import Logins

_MOST_BYTES = 1 << 14


class Credentials(BaseModel):
    """A name and a password, or a ticket."""

    name: str = ""
    password: str = ""
    ticket: str = ""


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the route below `prefix`."""
    return [gate.route(f"{prefix}/session", _log_in, "POST", role=None)]


async def _log_in(request: Request, services: Services) -> Response:
    credentials = await _credentials(request)
    address = request.client.host if request.client else ""
    logins = cast(Logins, services.authentication.plugin)
    if credentials.ticket:
        cookie = await run_in_threadpool(logins.redeem, credentials.ticket, address)
    else:
        cookie = await run_in_threadpool(logins.log_in, credentials.name, credentials.password, address)
    response = Response(status_code=204, headers={"Cache-Control": "no-store"})
    # A proxy that isn't trusted or sends no headers may speak HTTP to us; the Origin then has the browser's scheme.
    is_secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=round(services.settings.access.session_seconds),
        path=request.url.path.removesuffix("/api/session") or "/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


async def _credentials(request: Request) -> Credentials:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise InputError("login_body")
    try:
        return Credentials.model_validate_json(body)
    except ValidationError as error:
        raise InputError("login_body") from error
