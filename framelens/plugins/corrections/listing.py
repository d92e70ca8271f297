"""Values of a corrected report for programs: what can be corrected, the log, and what two people disagree about."""

from __future__ import annotations

from pydantic import BaseModel, Field

from framelens import Analysis, InputError
from framelens.plugin import Services, t
from framelens.plugin.corrections import Correction, ReportItem, items_of, proposals
from framelens.plugin.reports import plain_text, written_by
from framelens.plugin.storage import build


class Item(BaseModel):
    """What can be corrected in a report."""

    key: str = Field(description="Key of the item, such as f1.")
    kind: str
    question: str = Field("", description="The question of a conversation that it answers.")
    text: str = Field(description="What the report says there.")
    original: str = Field(description="The model's words, empty if it wrote none.")
    frames: list[int] = Field(description="Numbers of the frames that it rests on.")
    time_seconds: float | None = Field(None, description="Time that a person named in place of frames.")
    doubts: list[str] = Field(description="What could not be verified.")
    is_struck: bool = Field(False, description="Whether a person has left it out.")
    written_by: str = Field("", description="Who corrected it and when, empty for the model's words.")


class LogEntry(BaseModel):
    """A correction, in the order in which they were made."""

    number: int
    created: str
    author: str = Field(description="Name of the person, empty if it isn't known.")
    kind: str
    target: str = Field(description="Key of the item, or number of the correction that is undone or redone.")
    text: str
    is_proposal: bool = Field(description="Another person had changed the same item, so that it waits for a decision.")


class ReportOffer(BaseModel):
    """Corrections of an earlier report on the same video that fit this one."""

    report: str = Field(description="Id of the earlier report.")
    fitting: int = Field(description="Number of its corrections that fit.")
    text: str = Field(description="The offer in words.")


class CorrectedReport(BaseModel):
    """What a report says, item by item, and what people changed in it."""

    revision: int = Field(0, description="Length of the log; send it with a correction, so that others' aren't missed.")
    items: list[Item] = Field([], description="What can be corrected.")
    log: list[LogEntry] = Field([], description="All corrections.")
    proposals: list[int] = Field([], description="Numbers of the proposals that wait for a decision.")
    unmatched: list[int] = Field([], description="Numbers of corrections whose item is no longer in the report.")
    met: list[LogEntry] = Field([], description="What others had changed meanwhile in the same items.")
    offer: ReportOffer | None = Field(
        default=None, description="What an earlier report offers to one without corrections."
    )


def listed(analysis: Analysis, met: tuple[Correction, ...] = ()) -> CorrectedReport:
    """Return the items and the log of a report, with the corrections of others that a change has met."""
    log = analysis.corrections.log if analysis.corrections else ()
    return CorrectedReport(
        revision=len(log),
        items=[item_value(item) for item in items_of(analysis)],
        log=[build(LogEntry, entry) for entry in log],
        proposals=[entry.number for entry in proposals(log)],
        unmatched=[entry.number for entry in analysis.corrections.lost] if analysis.corrections else [],
        met=[build(LogEntry, entry) for entry in met],
    )


def item_value(item: ReportItem) -> Item:
    """Return an item as a value for programs."""
    person = item.correction.authorship(item.original) if item.correction else None
    doubts = [t(f"unverified.{issue}") for issue in item.issues]
    return build(Item, item, frames=list(item.frames), doubts=doubts, written_by=plain_text(written_by(person)).strip())


def report_of(services: Services, job_id: str) -> Analysis:
    """Return a report with its conversations and corrections. Raises InputError: "job_unknown", or "no_report_yet"."""
    analysis = services.reports.get(job_id)
    if analysis is None:
        raise InputError("no_report_yet", id=job_id)
    return analysis
