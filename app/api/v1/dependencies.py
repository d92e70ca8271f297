"""What the routes share: the services, the key of the request, streams that end with the server."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from app.services import Services
from app.store import ApiKeyRow

_POLL_SECONDS = 0.25
"""How often a stream looks at what it reports. Chosen by hand; not tuned."""


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _key(request: Request) -> ApiKeyRow:
    key: ApiKeyRow = request.state.key
    return key


ServicesDep = Annotated[Services, Depends(_services)]
KeyDep = Annotated[ApiKeyRow, Depends(_key)]


async def ticks(seconds: float | None = None) -> AsyncIterator[None]:
    """Yield at once and then again after each pause, for this time at most, until the server is about to stop.

    uvicorn waits for open streams before it ends the application, so they have to end by themselves.
    """
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    while True:
        yield
        if _is_stopping() or (end is not None and asyncio.get_running_loop().time() >= end):
            return
        await asyncio.sleep(_POLL_SECONDS)


def _is_stopping() -> bool:
    """Return whether the server was asked to stop: uvicorn handles the signals by a method of its server."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
