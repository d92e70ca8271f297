"""A video as the browser's player wants it: by byte ranges, so that any place of any file is there at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from app.api.gate import Gate

if TYPE_CHECKING:
    from app.wiring import Services

# Only what a player takes. Anything else goes out as plain bytes, so that an uploaded page is never a page of ours.
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # browsers refuse "video/quicktime" unheard, yet play what is inside
    ".webm": "video/webm",
    ".mkv": "video/webm",  # the same container, and the only name of it that browsers know
    ".ogv": "video/ogg",
    ".gif": "image/gif",
}


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """The routes of this resource below `prefix`."""
    return [gate.route(f"{prefix}/videos/{{id}}", _video, "GET")]


async def _video(request: Request, services: Services) -> Response:
    path = await run_in_threadpool(services.videos.path, request.path_params["id"])
    media_type = _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type=media_type, content_disposition_type="inline", headers=headers)
