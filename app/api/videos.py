"""Routes for videos by byte ranges, for the browser's player, and for stills at any time.

Stills are for files that the browser can't decode and for the filmstrip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from app.api.frames import parse_side
from app.api.gate import Gate
from app.video.stills import SIDES

if TYPE_CHECKING:
    from app.services.container import Services

# Types that players support. Other files are sent as plain bytes, so that an uploaded page is never shown as a page.
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # browsers refuse "video/quicktime" but play its content
    ".webm": "video/webm",
    ".mkv": "video/webm",  # a subset of the same container, and the only type that browsers support
    ".ogv": "video/ogg",
    ".gif": "image/gif",
}


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of this resource below `prefix`."""
    return [
        gate.route(f"{prefix}/videos/{{id}}", _video, "GET"),
        gate.route(f"{prefix}/videos/{{id}}/stills/{{milliseconds:int}}.jpg", _still, "GET"),
    ]


async def _video(request: Request, services: Services) -> Response:
    path = await run_in_threadpool(services.videos.path, request.path_params["id"])
    media_type = _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type=media_type, content_disposition_type="inline", headers=headers)


async def _still(request: Request, services: Services) -> Response:
    """Return the JPEG of the frame shown at a time in milliseconds after the first, at most `?side=` pixels long.

    The header `FrameLens-Time` has the seconds at which the frame begins.
    """
    side = parse_side(request.query_params.get("side"), SIDES) or SIDES[1]
    seconds = request.path_params["milliseconds"] / 1000
    path = await run_in_threadpool(services.videos.path, request.path_params["id"])
    still = await run_in_threadpool(services.stills.at, path, seconds, side)
    headers = {"Cache-Control": "private, max-age=3600", "FrameLens-Time": f"{still.time_seconds:.6f}"}
    return Response(still.jpeg, media_type="image/jpeg", headers=headers)
