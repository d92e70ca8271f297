"""What the routes share: the key of the request, events, and streams that end with the server."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from framelens.plugin.storage import Store, to_document
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore

_POLL_SECONDS = 0.25
"""How often a stream looks at what it reports."""


def _key(request: Request) -> ApiKeyRow:
    key: ApiKeyRow = request.state.key
    return key


KeyDep = Annotated[ApiKeyRow, Depends(_key)]


async def ticks(store: Store, key: ApiKeyRow, seconds: float | None = None) -> AsyncIterator[None]:
    """Yield at once and then again after each pause, for this time at most, while the key opens the API.

    uvicorn waits for open streams before it ends the application, so they end by themselves when the server is about
    to stop.
    """
    keys = ApiStore(store)
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    while await run_in_threadpool(keys.has_key, key.id):
        yield
        if _is_stopping() or (end is not None and asyncio.get_running_loop().time() >= end):
            return
        await asyncio.sleep(_POLL_SECONDS)


def event_of(name: str, state: BaseModel, **options: Any) -> ServerSentEvent:
    """Return the event about a state, as compact JSON with times in whole microseconds."""
    document = to_document(state.model_dump(mode="json"))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return ServerSentEvent(event=name, raw_data=text, **options)


def _is_stopping() -> bool:
    """Return whether the server was asked to stop: uvicorn handles the signals by a method of its server."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
