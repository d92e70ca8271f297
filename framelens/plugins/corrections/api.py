"""Routes of the API for programs to the corrections of a report."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framelens.plugin.api import ANALYST, VIEWER, ServicesDep
from framelens.plugin.corrections import LONGEST_AUTHOR, MOST_CHARACTERS, CorrectionKind, Draft
from framelens.plugins.corrections.listing import CorrectedReport, listed, report_of
from framelens.plugins.corrections.rewrite import rewrite
from framelens.plugins.corrections.transfer import offer_of, offer_value, take_over

router = APIRouter(tags=["corrections"])
_MOST_AT_ONCE = 500


class NewCorrection(BaseModel):
    """A correction of a report."""

    model_config = ConfigDict(extra="forbid")

    kind: CorrectionKind
    target: Annotated[
        str,
        Field(
            max_length=20, description="Key of the item, such as f1, q1 or title; of an addition, what it remarks on."
        ),
    ] = ""
    text: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""
    frames: Annotated[list[int], Field(max_length=256, description="By default those of the item.")] = []
    time_seconds: Annotated[float | None, Field(ge=0, le=1e7, description="Time that it rests on.")] = None


class NewCorrections(BaseModel):
    """Corrections of a report, all or nothing."""

    model_config = ConfigDict(extra="forbid")

    corrections: Annotated[
        list[NewCorrection], Field(min_length=1, max_length=_MOST_AT_ONCE, description="In the order of their making.")
    ]
    revision: Annotated[int | None, Field(ge=0, description="Length of the log that you have seen.")] = None
    author: Annotated[str, Field(max_length=LONGEST_AUTHOR, description="Your name, where there are no accounts.")] = ""


@router.get("/jobs/{job_id}/corrections", dependencies=[VIEWER])
def list_corrections(job_id: str, services: ServicesDep) -> CorrectedReport:
    """List what can be corrected in the report of a job, and what people have changed."""
    return listed(report_of(services, job_id)).model_copy(update={"offer": offer_value(services, job_id)})


@router.post("/jobs/{job_id}/corrections", dependencies=[ANALYST])
def correct_report(job_id: str, body: NewCorrections, services: ServicesDep) -> CorrectedReport:
    """Correct a finished report; every format has the corrections from then on.

    Where others have changed the same item since `revision`, a correction waits as a proposal, and `met` has theirs.
    """
    drafts = [Draft(new.kind, new.target, new.text, tuple(new.frames), new.time_seconds) for new in body.corrections]
    outcome = services.reports.correct(job_id, drafts, revision=body.revision, author=body.author)
    return listed(outcome.analysis, outcome.rivals)


class EarlierCorrections(BaseModel):
    """An earlier report on the same video whose corrections are taken over."""

    model_config = ConfigDict(extra="forbid")

    report: Annotated[str, Field(max_length=64, description="Id of the earlier report.")]
    author: Annotated[str, Field(max_length=LONGEST_AUTHOR, description="Your name, where there are no accounts.")] = ""


@router.post("/jobs/{job_id}/corrections/take-over", dependencies=[ANALYST])
def take_over_corrections(job_id: str, body: EarlierCorrections, services: ServicesDep) -> CorrectedReport:
    """Correct a report as an earlier one on the same video was, where sentences and frames are the same."""
    return listed(take_over(services, job_id, offer_of(services, job_id, body.report), body.author).analysis)


class NewRewriting(BaseModel):
    """A request to the model to rewrite a report."""

    model_config = ConfigDict(extra="forbid")

    way: Annotated[str, Field(max_length=500, description="shorter, longer, zh, en, a template's key, or words.")]
    author: Annotated[str, Field(max_length=LONGEST_AUTHOR, description="Your name, where there are no accounts.")] = ""


@router.post("/jobs/{job_id}/corrections/rewrite", dependencies=[ANALYST])
def rewrite_report(job_id: str, body: NewRewriting, services: ServicesDep) -> CorrectedReport:
    """Let the model rewrite a report without another look; the answer comes when it is done.

    Every sentence keeps its frames, and an undo takes all of it back.
    """
    return listed(rewrite(services, job_id, body.way, body.author, threading.Event()).analysis)
