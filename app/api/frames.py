"""The pictures of an analysis: each frame that was found or chosen, by its index in the video, in any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.api.gate import Gate
from app.core.errors import InputError
from app.core.images import smaller

if TYPE_CHECKING:
    from app.services.container import Services

_SIDES = (64, 1280)
"""Pixels of the longer side: less shows nothing, more than is kept cannot be had."""


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """The routes of this resource below `prefix`."""
    return [gate.route(f"{prefix}/jobs/{{id}}/frames/{{index:int}}.jpg", _frame, "GET")]


async def _frame(request: Request, services: Services) -> Response:
    """The JPEG of the frame with this 0-based index, at most `?side=` pixels long; a chosen one before one that was
    only found on the way.
    """
    side = side_of(request.query_params.get("side"), _SIDES)
    jpeg = await run_in_threadpool(_picture, services, request.path_params["id"], request.path_params["index"], side)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _picture(services: Services, job_id: str, index: int, side: int | None) -> bytes:
    job = services.jobs.snapshot(job_id)
    for frame in (*job.keyframes, *job.found):
        if frame.frame_index == index:
            return frame.jpeg if side is None else smaller(frame.jpeg, side)
    raise InputError("frame_unknown", id=job_id, number=index)


def side_of(given: str | None, sides: tuple[int, int]) -> int | None:
    """Return the pixels that `?side=` asks for, or None without it. Raises InputError outside of `sides`."""
    if given is None:
        return None
    low, high = sides
    if not (given.isascii() and given.isdecimal() and len(given) < 6 and low <= int(given) <= high):
        raise InputError("picture_side", given=given[:40], low=low, high=high)
    return int(given)
