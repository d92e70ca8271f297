"""Route of the API for programs: moments of all videos by words, by a picture, or by both."""

from __future__ import annotations

import base64
import binascii
import threading
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framelens import InputError, MomentHits, error_text
from framelens.plugin.api import VIEWER, ServicesDep
from framelens.plugin.files import Region
from framelens.plugin.storage import MomentQuery, MomentReason
from framelens.plugins.search.critic import checked

router = APIRouter(tags=["moments"])
_MOST_ENCODED = 44_000_000
"""Characters of a picture of 32 MiB in base64."""


class MomentSearch(BaseModel):
    """Query by words, a picture, or both."""

    model_config = ConfigDict(extra="forbid")

    words: Annotated[str, Field(max_length=1000, description="What is looked for.")] = ""
    picture: Annotated[str, Field(max_length=_MOST_ENCODED, description="A picture in base64.")] = ""
    report: Annotated[str, Field(max_length=100, description="A report whose frame is the picture.")] = ""
    at_seconds: Annotated[float | None, Field(description="The keyframe nearest to this time is taken.")] = None
    region: Annotated[
        Region | None, Field(description="Part of the picture: left, top, right and bottom, from 0 to 1.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 24
    check: Annotated[bool, Field(description="Let the model look at the best 20 for what the words say.")] = False


class LibraryMoment(BaseModel):
    """A moment of a video."""

    job_id: str
    name: str
    time_seconds: float = Field(description="Time of the frame or passage.")
    frame_index: int | None = Field(description="The keyframe, by its 0-based position in display order.")
    reasons: list[MomentReason] = Field(
        description="seen: the picture shows it; alike: it is like the picture; same: it is the same view;"
        " words, meaning: of a passage then."
    )
    similarity: float | None = Field(description="Cosine of the keyframe and the query.")
    text: str = Field(description="The passage that was found.")
    is_confirmed: bool | None = Field(description="What the model says of the frame; null if it was not asked.")
    remark: str = Field(description="Its reason.")


class LibraryMoments(BaseModel):
    """Moments, the best first; none if nothing in the library is like that."""

    moments: list[LibraryMoment] = Field(description="The moments.")
    model: str = Field(description="What compared pictures, empty if nothing did.")
    num_left: int = Field(description="Reports that are not indexed yet.")
    problem: str | None = Field(None, description="Why pictures or meaning were not compared.")


@router.post("/moments/search", dependencies=[VIEWER])
def find_moments(body: MomentSearch, services: ServicesDep) -> LibraryMoments:
    """Find moments in the videos of all reports, by words, by a picture, or by both."""
    image = ("picture", _decoded(body.picture))
    name, picture = services.reports.query_picture(body.report, body.at_seconds, image)
    query = MomentQuery(body.words, picture, name, body.limit, region=body.region)
    hits = services.moment_search.find(query)
    return library_moments(checked(services, hits, body.words, threading.Event()) if body.check else hits)


def library_moments(hits: MomentHits) -> LibraryMoments:
    """Return hits as programs get them."""
    moments = [LibraryMoment.model_validate(vars(moment)) for moment in hits.moments]
    problem = error_text(hits.error) if hits.error else None
    return LibraryMoments(moments=moments, model=hits.model, num_left=hits.num_left, problem=problem)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("image_damaged", name="picture", reason="base64") from error
