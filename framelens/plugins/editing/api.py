"""Routes of the API for programs to clips: what a report is about, and clips of it or of ranges as a file."""

from __future__ import annotations

from functools import cache, partial
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from framelens import InputError
from framelens.plugin import Services
from framelens.plugin.api import BINARY, VIEWER, ServicesDep
from framelens.plugins.editing.clips.downloads import MOST_PIECES, ClipOptions, ClipOrder, ClipOrders
from framelens.plugins.editing.clips.pieces import MARGIN_SECONDS, Piece, PieceKind, chosen, pieces_of
from framelens.plugins.editing.clips.plan import ClipMode
from framelens.plugins.editing.routes import respond

router = APIRouter(tags=["clips"])
_Seconds = Annotated[float, Field(ge=0, le=1e7)]


class ClipPiece(BaseModel):
    """Part of a video that its report is about."""

    kind: PieceKind
    number: int = Field(description="Its place among those of its kind, from 1.")
    name: str
    doubts: str = Field(description="What could not be verified, empty if nothing.")
    start_seconds: float
    end_seconds: float | None


class ClipPieces(BaseModel):
    """What can be cut out of the video of a job."""

    pieces: list[ClipPiece]


class WantedPiece(BaseModel):
    """Part of a video: of its report, with other times where they are given, or a range."""

    model_config = ConfigDict(extra="forbid")

    job_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{6,64})?$", description="Job of its video, if another.")] = ""
    kind: Literal["finding", "chapter", "interval", "range"] = "range"
    number: Annotated[int, Field(ge=0, le=1_000_000, description="Of what is in the report.")] = 0
    start_seconds: _Seconds | None = None
    end_seconds: _Seconds | None = Field(None, description="By default that of the report's piece, or of the video.")


class NewClips(BaseModel):
    """Order of clips."""

    model_config = ConfigDict(extra="forbid")

    pieces: Annotated[list[WantedPiece], Field(min_length=1, max_length=MOST_PIECES)]
    mode: ClipMode = Field("exact", description="exact: encoded again, to the frame; fast: copied from a key frame on.")
    reel: bool = Field(False, description="Join the pieces to one file, encoded again.")
    chapters: bool = Field(False, description="Make each piece of a reel a chapter.")
    subtitles: bool = Field(False, description="Draw what is said into the pictures that are encoded again.")


@router.get("/jobs/{job_id}/clips", dependencies=[VIEWER])
def list_clips(job_id: str, services: ServicesDep) -> ClipPieces:
    """List what can be cut out of the video of a job: chapters, intervals that were found, and findings.

    Findings have two seconds before and after the frames that they cite.
    """
    pieces = _pieces(services, job_id)
    return ClipPieces(pieces=[ClipPiece.model_validate(vars(piece)) for piece in pieces])


@router.post(
    "/jobs/{job_id}/clips",
    dependencies=[VIEWER],
    response_class=Response,
    responses={200: {"description": "The clip, or a ZIP of several", "content": BINARY}},
)
async def make_clips(job_id: str, body: NewClips, request: Request, services: ServicesDep) -> Response:
    """Cut clips out of the video of a job and get the file, a ZIP of several, or a reel of all.

    Pieces may be of the videos of several jobs. In a ZIP, a text lists what could not be cut out.
    """
    pieces = cache(partial(_pieces, services))
    orders = ClipOrders(services)
    how = ClipOptions(body.mode, body.reel, body.chapters, body.subtitles)

    def order() -> ClipOrder:
        selected = ((piece.job_id, _piece_of(piece, pieces(piece.job_id or job_id), job_id)) for piece in body.pieces)
        return orders.of_job(job_id, selected, how)

    return await respond(request, services, order)


def _pieces(services: Services, job_id: str) -> list[Piece]:
    analysis = services.reports.get(job_id)
    if analysis is None:
        raise InputError("no_report_yet", id=job_id)
    return list(pieces_of(analysis, MARGIN_SECONDS))


def _piece_of(request: WantedPiece, pieces: list[Piece], job_id: str) -> Piece:
    if request.kind == "range":
        return Piece("", 0, "", request.start_seconds or 0.0, request.end_seconds)
    (piece,) = chosen(pieces, request.kind, (request.number,), request.job_id or job_id)
    start = piece.start_seconds if request.start_seconds is None else request.start_seconds
    end = piece.end_seconds if request.end_seconds is None else request.end_seconds
    return Piece(piece.kind, piece.number, piece.name, start, end)
