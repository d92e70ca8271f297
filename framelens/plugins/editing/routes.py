"""Routes of the page to clips: pieces of a job's video, or of a video without a job, as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens import InputError
from framelens.plugin import Services
from framelens.plugin.api import Export, Gate, send_export
from framelens.plugins.editing.clips.downloads import ClipOptions, ClipOrder, ClipOrders, parse_pieces, write
from framelens.plugins.editing.clips.plan import ClipMode

if TYPE_CHECKING:
    from framelens.plugins.editing.clips.pieces import Piece

_MODES: tuple[ClipMode, ...] = get_args(ClipMode)


def routes(gate: Gate, prefix: str) -> Sequence[BaseRoute]:
    """List the routes below `prefix`; `&lang=` is the language of the page.

    `?pieces=` has the pieces as `framelens.plugins.editing.clips.downloads.parse_pieces` reads them, also of the videos
    of other jobs, `&mode=` how they are cut. `&reel=1` joins them to one file, with `&chapters=1` as chapters;
    `&subtitles=1` draws subtitles into the pictures.
    """
    return [
        gate.route(f"{prefix}/jobs/{{id}}/clips", _send_of_job, "GET", role="viewer"),
        gate.route(f"{prefix}/videos/{{id}}/clips", _send_of_video, "GET", role="viewer"),
    ]


async def _send_of_job(request: Request, services: Services) -> Response:
    job_id, selected = request.path_params["id"], _selection(request)
    orders = ClipOrders(services)
    return await respond(request, services, lambda: orders.of_job(job_id, *selected))


async def _send_of_video(request: Request, services: Services) -> Response:
    video_id, selected = request.path_params["id"], _selection(request)
    orders = ClipOrders(services)
    return await respond(request, services, lambda: orders.of_video(video_id, *selected))


def _selection(request: Request) -> tuple[Iterator[tuple[str, Piece]], ClipOptions]:
    """Return the pieces, which are parsed when they are read, and how they are cut. Raises InputError."""
    mode_name = request.query_params.get("mode", "exact")
    mode = next((mode for mode in _MODES if mode == mode_name), None)
    if mode is None:
        raise InputError("clip_mode_unknown", given=mode_name[:40], known=", ".join(_MODES))
    reel, chapters, subtitles = (request.query_params.get(name) == "1" for name in ("reel", "chapters", "subtitles"))
    return parse_pieces(request.query_params.get("pieces", "")), ClipOptions(mode, reel, chapters, subtitles)


async def respond(request: Request, services: Services, order: Callable[[], ClipOrder]) -> Response:
    """Return the answer with the clips of an order, written in its turn."""

    def written() -> Export:
        clip_order = order()
        file = write(clip_order)
        for source in clip_order.sources:
            services.jobs.audit.record("export", source.id, source.name)
        return file

    return await send_export(request, written)
