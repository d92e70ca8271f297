"""Tool of the MCP server that lists and corrects what a report says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from framelens import InputError
from framelens.plugin import t
from framelens.plugin.api import ToolCall
from framelens.plugin.command_line import parse_seconds
from framelens.plugin.corrections import MOST_CHARACTERS, CorrectionKind, Draft
from framelens.plugins.corrections.listing import CorrectedReport, Item, LogEntry, ReportOffer, listed
from framelens.plugins.corrections.rewrite import rewrite
from framelens.plugins.corrections.transfer import offer_of, offer_value, take_over

_MOST_ITEMS = 200
_AUTHOR = "MCP"
"""Name behind corrections of an agent, where there are no accounts."""


class CorrectQuoted(BaseModel):
    """What the report says and who changed it."""

    items: list[Item] = []
    offer: ReportOffer | None = None
    met: list[LogEntry] | None = None


class CorrectResult(BaseModel):
    """The revision of the report, and its items."""

    revision: int = 0
    quoted: CorrectQuoted | None = None


def mcp_tools() -> Iterator[Callable[..., BaseModel]]:
    """Yield the tools of this plugin."""
    yield correct
    yield rewrite_report


def correct(
    call: ToolCall,
    video: Annotated[str, Field(max_length=4096)],
    change: CorrectionKind | None = None,
    key: Annotated[str, Field(max_length=20)] = "",
    text: Annotated[str, Field(max_length=MOST_CHARACTERS)] = "",
    cited_frames: Annotated[list[int], Field(max_length=256)] = [],  # noqa: B006 - never changed
    at_time: str = "",
    take_over_from: Annotated[str, Field(max_length=64)] = "",
    seen_revision: int | None = None,
) -> CorrectResult:
    """List the items of a report, or correct one of them.

    Raises:
        AppError: There is no such report or item, or the correction can't be applied.
    """
    _, analysis = call.source(video)
    if analysis is None:
        raise InputError("mcp_not_analysed", path=video[:200])
    services = call.services
    if take_over_from:
        offer = offer_of(services, analysis.id, take_over_from)
        return _result(listed(take_over(services, analysis.id, offer, _AUTHOR).analysis))
    if change is None:
        return _result(listed(analysis), offer_value(services, analysis.id))
    draft = Draft(change, key, text, tuple(cited_frames), parse_seconds(at_time) if at_time else None)
    outcome = services.reports.correct(analysis.id, [draft], revision=seen_revision, author=_AUTHOR)
    return _result(listed(outcome.analysis, outcome.rivals))


def rewrite_report(
    call: ToolCall, video: Annotated[str, Field(max_length=4096)], way: Annotated[str, Field(max_length=500)]
) -> CorrectResult:
    """Let the model in use rewrite a report without another look.

    Raises:
        AppError: There is no such report, nothing to rewrite, or the engine fails.
    """
    _, analysis = call.source(video)
    if analysis is None:
        raise InputError("mcp_not_analysed", path=video[:200])

    def show(progress: tuple[int, int]) -> None:
        call.doing = t("rewrite.running", n=progress[0] + 1, all=progress[1])

    return _result(listed(rewrite(call.services, analysis.id, way, _AUTHOR, call.cancel, show).analysis))


def _result(report: CorrectedReport, offer: ReportOffer | None = None) -> CorrectResult:
    quoted = CorrectQuoted(items=report.items[:_MOST_ITEMS], offer=offer, met=report.met or None)
    return CorrectResult(revision=report.revision, quoted=quoted)
