"""Place of the API in the app: FastAPI is imported by the first request, so that the page starts without it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from framelens import AppError
from framelens.plugin import in_language
from framelens.plugin.api import Gate, accepted_language, error_response
from framelens.plugin.users import Role

if TYPE_CHECKING:
    from framelens.plugin import Services


class ProgramApi:
    """ASGI application that builds the API when it is first asked.

    Args:
        gate: Holds the services.
        prefix: Path of the API.
    """

    def __init__(self, gate: Gate, prefix: str) -> None:
        self._gate = gate
        self._prefix = prefix
        self._lock = asyncio.Lock()
        self._app: ASGIApp | None = None

    def routes(self) -> list[BaseRoute]:
        """List the route for the prefix and all paths below it."""
        return [_Below(self._prefix, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on; a WebSocket is refused."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        services = self._gate.services
        if services is None:  # a setting is wrong, or the app is starting
            with in_language(accepted_language(Headers(scope=scope).get("accept-language"))):
                response = error_response(AppError("api_starting"), 503)
            await response(scope, receive, send)
            return
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(_build, services)
        await self._app(scope, receive, send)


class _Below(BaseRoute):
    """Route of all paths below a prefix, and the prefix itself.

    Starlette's `Mount` leaves out the prefix and paths with a line break, which would then get the page.
    """

    def __init__(self, prefix: str, app: ASGIApp) -> None:
        self.path = prefix
        self._app = app

    @property
    def roles(self) -> dict[str, Role | None]:
        """Return the role of each route of the API by method and path."""
        from fastapi.routing import APIRoute

        from framelens.plugin.api import role_of
        from framelens.plugins.server.v1.application import programs

        routes = [route for route in programs().routes if isinstance(route, APIRoute)]
        return {
            f"{name} {self.path}{route.path}": role_of(route.dependencies) for route in routes for name in route.methods
        }

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the path of a request is below the prefix, and what changes in its scope."""
        path = scope["path"]
        if scope["type"] not in ("http", "websocket") or not f"{path}/".startswith(f"{self.path}/"):
            return Match.NONE, {}
        below = path if path != self.path else f"{path}/"
        return Match.FULL, {"root_path": self.path, "path": below, "endpoint": self._app}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._app(scope, receive, send)


def _build(services: Services) -> ASGIApp:
    from framelens.plugins.server.v1 import application

    return application.build(services)
