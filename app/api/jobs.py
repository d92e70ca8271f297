"""The pictures of an analysis: each frame that was found or chosen, by its index in the video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.api.gate import Gate
from app.errors import InputError

if TYPE_CHECKING:
    from app.wiring import Services


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """The routes of this resource below `prefix`."""
    return [gate.route(f"{prefix}/jobs/{{id}}/frames/{{index:int}}.jpg", _frame, "GET")]


async def _frame(request: Request, services: Services) -> Response:
    """The JPEG of the frame with this 0-based index; a chosen one before one that was only found on the way."""
    job_id, index = request.path_params["id"], request.path_params["index"]
    job = await run_in_threadpool(services.jobs.snapshot, job_id)
    for frame in (*job.keyframes, *job.found):
        if frame.frame_index == index:
            headers = {"Cache-Control": "private, max-age=3600"}
            return Response(frame.jpeg, media_type="image/jpeg", headers=headers)
    raise InputError("frame_unknown", id=job_id, number=index)
