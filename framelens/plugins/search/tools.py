"""Tool of the MCP server that finds moments in all videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Annotated, cast

from pydantic import BaseModel, Field

from framelens import InputError, Moment, error_text
from framelens.plugin.api import ToolCall
from framelens.plugin.files import Region, read_image
from framelens.plugin.storage import MomentQuery, MomentReason
from framelens.plugins.search.critic import checked

_MOST = 200
"""Moments that are found, of which those that the caller may see are returned."""
Text = Annotated[str, Field(max_length=4096)]


class MomentEntry(BaseModel):
    """A moment of a video."""

    id: str = Field(description="The report.")
    time: float = Field(description="Seconds from the first frame of the video.")
    reasons: list[MomentReason]
    is_confirmed: bool | None = Field(None, description="What the model says of the frame.")


class MomentsQuoted(BaseModel):
    """Names of the videos and passages, in the order of the moments."""

    names: list[str] = []
    texts: list[str] = []
    remarks: list[str] = Field([], description="Reasons of the model that looked at the frames.")


class MomentsResult(BaseModel):
    """Moments, the best first; none if nothing in the library is like that."""

    moments: list[MomentEntry] = []
    num_left: int = Field(0, description="Reports that are not indexed yet.")
    problem: str | None = None
    quoted: MomentsQuoted | None = None


def _is_open(call: ToolCall, moment: Moment) -> bool:
    """Return whether the caller may see the report of a moment."""
    try:
        call.source(moment.job_id)
    except InputError:
        return False
    return True


def mcp_tools() -> Iterator[Callable[..., BaseModel]]:
    """Yield the tools of this plugin."""
    yield find_moments


def find_moments(
    call: ToolCall,
    words: Text = "",
    picture: Text = "",
    report: Text = "",
    at: float | None = None,
    region: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None,
    limit: Annotated[int, Field(ge=1, le=50)] = 12,
    check: Annotated[bool, Field(description="Let the model look at the best 20 for what the words say.")] = False,
) -> MomentsResult:
    """Find moments in the videos of all reports, by words, by a picture, or by both.

    Raises:
        AppError: Nothing is asked for, or the picture can't be read or compared.
    """
    image = read_image(call.folder(picture)) if picture else ("", b"")
    if report:
        call.source(report)
    name, content = call.services.reports.query_picture(report, at, image)
    search = call.services.moment_search
    call.services.jobs.indexing.catch_up()
    search.catch_up(call.cancel)
    part = cast("Region", tuple(region)) if region else None
    hits = search.find(MomentQuery(words, content, name, _MOST, region=part))
    hits = replace(hits, moments=tuple(islice(filter(partial(_is_open, call), hits.moments), limit)))
    if check:
        hits = checked(call.services, hits, words, call.cancel)
    return MomentsResult(
        moments=[
            MomentEntry(
                id=moment.job_id,
                time=moment.time_seconds,
                reasons=list(moment.reasons),
                is_confirmed=moment.is_confirmed,
            )
            for moment in hits.moments
        ],
        num_left=hits.num_left,
        problem=error_text(hits.error) if hits.error else None,
        quoted=MomentsQuoted(
            names=[moment.name for moment in hits.moments],
            texts=[moment.text for moment in hits.moments],
            remarks=[moment.remark for moment in hits.moments],
        ),
    )
