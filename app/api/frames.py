"""Route for the frames of an analysis, candidates and keyframes, by their index in the video and in any size."""

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
"""Range of the longer side in pixels: a smaller picture is useless, a larger one is not stored."""


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of this resource below `prefix`."""
    return [gate.route(f"{prefix}/jobs/{{id}}/frames/{{index:int}}.jpg", _frame, "GET")]


async def _frame(request: Request, services: Services) -> Response:
    """Return the JPEG of the frame with this 0-based index, at most `?side=` pixels long.

    A keyframe is preferred to a candidate with the same index.
    """
    side = parse_side(request.query_params.get("side"), _SIDES)
    jpeg = await run_in_threadpool(_picture, services, request.path_params["id"], request.path_params["index"], side)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _picture(services: Services, job_id: str, index: int, side: int | None) -> bytes:
    job = services.jobs.snapshot(job_id)
    for frame in (*job.keyframes, *job.found):
        if frame.frame_index == index:
            return frame.jpeg if side is None else smaller(frame.jpeg, side)
    raise InputError("frame_unknown", id=job_id, number=index)


def parse_side(given: str | None, sides: tuple[int, int]) -> int | None:
    """Parse the value of `?side=`, the longer side in pixels.

    Args:
        given: The value; None without the parameter, for which None is returned.
        sides: The smallest and the largest allowed value.

    Raises:
        InputError: The value is not a number in this range.
    """
    if given is None:
        return None
    low, high = sides
    if not (given.isascii() and given.isdecimal() and len(given) < 6 and low <= int(given) <= high):
        raise InputError("picture_side", given=given[:40], low=low, high=high)
    return int(given)
