"""Routes for media: frames of an analysis, videos by byte ranges, stills, library covers.

Stills are for files that the browser can't decode and for the filmstrip.
"""

from collections.abc import Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens.api.gate import Gate
from framelens.api.responses import OpenFileResponse
from framelens.api.turns import TurnQueue
from framelens.composition import Services
from framelens.core.errors import InputError
from framelens.core.files import shown_path
from framelens.core.images import smaller
from framelens.jobs.queue import Jobs
from framelens.questions.conversation import FrameRef
from framelens.questions.repository import ConversationRepository
from framelens.video.files import open_descriptor
from framelens.video.stills import SIDES

_SIDES = (64, 1280)
"""Range of the longer side in pixels: a smaller picture is useless, a larger picture is not stored."""
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
_MOST_IN_A_ROW = 16
"""Most stills of a file while others wait: the filmstrip of a wide page."""


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of media below `prefix`."""
    queue = StillsQueue()

    async def still(request: Request, services: Services) -> Response:
        return await _still(request, services, queue)

    return [
        gate.route(f"{prefix}/jobs/{{id}}/frames/{{index:int}}.jpg", _frame, "GET", role="viewer"),
        gate.route(f"{prefix}/videos/{{id}}", _video, "GET", role="viewer"),
        gate.route(f"{prefix}/videos/{{id}}/stills/{{milliseconds:int}}.jpg", still, "GET", role="viewer"),
        gate.route(f"{prefix}/ask/pictures/{{sha256}}.jpg", _stored_picture, "GET", role="viewer"),
        gate.route(f"{prefix}/library/{{id}}.jpg", _cover, "GET", role="viewer"),
    ]


class StillsQueue(TurnQueue[Path]):
    """Queue for the only decoder of stills; requests for the decoder's open file go first.

    The decoder starts a process to open another file.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._last: Path | None = None
        self._in_a_row = 0

    def note(self, key: Path) -> None:
        """Count the turns of a file in a row."""
        self._in_a_row = self._in_a_row + 1 if key == self._last else 1
        self._last = key

    def choose(self, waiting: Sequence[Path]) -> int:
        """Choose the request that waits longest for the same file, or, if that had enough turns, for another file."""
        prefers_same = self._in_a_row < _MOST_IN_A_ROW
        return min(range(len(waiting)), key=lambda index: (waiting[index] == self._last) != prefers_same)


async def _frame(request: Request, services: Services) -> Response:
    """Return the JPEG of the frame with this 0-based index, at most `?side=` pixels long.

    A keyframe is preferred to a candidate with the same index.
    """
    side = parse_side(request.query_params.get("side"), _SIDES)
    jpeg = await run_in_threadpool(
        _picture, services.jobs, request.path_params["id"], request.path_params["index"], side
    )
    return Response(jpeg, media_type="image/jpeg")


def _picture(jobs: Jobs, job_id: str, index: int, side: int | None) -> bytes:
    job = jobs.snapshot(job_id)
    for frame in (*job.progress.keyframes, *job.progress.found):
        if frame.frame_index == index:
            return frame.jpeg if side is None else smaller(frame.jpeg, side)
    raise InputError("frame_unknown", id=job_id, number=index)


def parse_side(value: str | None, sides: tuple[int, int]) -> int | None:
    """Parse the value of `?side=`, the longer side in pixels.

    Args:
        value: The value; None, without the parameter, is returned unchanged.
        sides: The smallest and the largest allowed value.

    Raises:
        InputError: The value is not a number in this range.
    """
    if value is None:
        return None
    low, high = sides
    if not (value.isascii() and value.isdecimal() and len(value) < 6 and low <= int(value) <= high):
        raise InputError("picture_side", given=value[:40], low=low, high=high)
    return int(value)


async def _video(request: Request, services: Services) -> Response:
    path = await run_in_threadpool(services.videos.path, request.path_params["id"])
    try:
        descriptor = await run_in_threadpool(open_descriptor, path)
    except OSError as error:  # it was there a moment ago
        raise InputError("path_missing", path=shown_path(path)) from error
    media_type = _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    return OpenFileResponse(descriptor, path, media_type=media_type)


async def _still(request: Request, services: Services, queue: StillsQueue) -> Response:
    """Return the JPEG of the frame shown at a time in milliseconds after the first, at most `?side=` pixels long.

    The header `FrameLens-Time` has the seconds at which the frame begins.
    """
    side = parse_side(request.query_params.get("side"), SIDES) or SIDES[1]
    seconds = request.path_params["milliseconds"] / 1000
    path = await run_in_threadpool(services.videos.path, request.path_params["id"])
    async with queue.turn(path):
        still = await run_in_threadpool(services.stills.at, path, seconds, side)
    headers = {"FrameLens-Time": f"{still.time_seconds:.6f}"}
    return Response(still.jpeg, media_type="image/jpeg", headers=headers)


async def _stored_picture(request: Request, services: Services) -> Response:
    """Return a stored picture of a conversation by its SHA-256, under which it never changes."""
    jpeg = await run_in_threadpool(_conversation_picture, services.conversations, request.path_params["sha256"])
    return Response(jpeg, media_type="image/jpeg")


def _conversation_picture(conversations: ConversationRepository, sha256: str) -> bytes:
    for jpeg in conversations.pictures([FrameRef(0, 0.0, picture=sha256)]).values():
        return jpeg
    raise InputError("picture_unknown", id=sha256[:64])


async def _cover(request: Request, services: Services) -> Response:
    job_id = request.path_params["id"]
    jpeg = await run_in_threadpool(services.jobs.library.cover, job_id)
    if not jpeg:
        raise InputError("job_unknown", id=job_id[:64])
    return Response(jpeg, media_type="image/jpeg")
