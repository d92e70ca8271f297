"""Results of the MCP server's tools: one JSON object, as text and as structured content, then pictures."""

import base64
import json
from collections.abc import Iterable, Sequence

from mcp.types import CallToolResult, ImageContent, TextContent

from framelens import Analysis, AppError, Cancelled, Finding, Turn, error_text, notice_text
from framelens.plugin import Services, t
from framelens.plugin.analyses import JobSnapshot, State
from framelens.plugin.api import placed
from framelens.plugin.reports import finding_seconds, plain_text, stated_notices, title_of, written_by
from framelens.plugin.storage import Hit, LibraryEntry, build, to_document
from framelens.plugin.texts import clock, stage_text
from framelens.plugins.server.mcp import schemas

MOST_FINDINGS = 40
"""Findings in the result of an analysis."""


def result(value: schemas.Result, pictures: Iterable[bytes] = ()) -> CallToolResult:
    """Return a tool's result.

    Args:
        value: Its value; fields that have their defaults are left out.
        pictures: JPEGs.
    """
    noted = value.model_copy(update={"note": t("mcp.quoted")})
    document = to_document(noted.model_dump(mode="json", exclude_defaults=True))
    text = json.dumps(document, ensure_ascii=False)
    images = [
        ImageContent(type="image", data=base64.b64encode(jpeg).decode(), mime_type="image/jpeg") for jpeg in pictures
    ]
    return CallToolResult(content=[TextContent(type="text", text=text), *images], structured_content=document)


def failed(error: AppError) -> CallToolResult:
    """Return the result of a tool that failed: the error as a sentence."""
    return CallToolResult(content=[TextContent(type="text", text=error_text(error))], is_error=True)


def entry_of(entry: LibraryEntry, state: State, hits: Sequence[Hit] | None = None) -> schemas.Entry:
    """Return a report of the library, with the passages that a search found in it."""
    passages = None if hits is None else [build(schemas.FoundPassage, hit) for hit in hits]
    quoted = build(schemas.EntryQuoted, entry, passages=passages)
    return build(schemas.Entry, entry, state=state, frames=entry.num_frames, findings=entry.num_findings, quoted=quoted)


def job_result(services: Services, job: JobSnapshot) -> schemas.AnalysisResult:
    """Return the state of an analysis, and the content of its report, if any.

    Raises:
        AppError: It is over and has no report.
    """
    analysis = job.analysis
    if job.is_over and analysis is None:
        raise job.error or Cancelled()
    value = schemas.AnalysisResult(
        id=job.id,
        state=job.state,
        doing=None if job.is_over else doing(job),
        next=None if job.is_over else t("mcp.next.wait"),
        problem=error_text(job.error) if job.error else None,
    )
    if analysis:
        value.seconds = analysis.decode.readable_seconds
        value.shots = len(analysis.decode.shots)
        value.keyframes = [round(frame.time_seconds, 3) for frame in analysis.keyframes]
        value.model = analysis.answered_by
        value.findings = len(analysis.findings)
        value.quoted = _quote(job.name, analysis)
        calls = (part.call(services, job) for part in placed("report.offers") if job.is_over)
        value.offers = [f"{offer['text']} correct(take_over_from={offer['report']!r})" for offer in calls if offer]
    return value


def _answer(analysis: Analysis) -> list[schemas.FoundStatement]:
    """Return the answer to the question of an analysis, with the times of the moments that a search has found."""
    answer = analysis.question_answer
    if answer is None or not answer.is_usable:
        return []
    times = [interval.times for search in answer.searches for interval in search.moments.intervals]
    return [schemas.FoundStatement(text=answer.answer, times=times[:MOST_FINDINGS])]


def _quote(name: str, analysis: Analysis) -> schemas.AnalysisQuoted:
    times = {frame.number: frame.time_seconds for frame in analysis.keyframes}

    def statements(findings: Sequence[Finding]) -> list[schemas.FoundStatement]:
        return [
            schemas.FoundStatement(
                text=finding.text,
                times=[clock(at) for at in finding_seconds(finding, times)],
                fields=dict(finding.fields) or None,
                written_by=plain_text(written_by(finding.person)).strip() or None,
            )
            for finding in findings[:MOST_FINDINGS]
        ]

    return schemas.AnalysisQuoted(
        name=name,
        notices=[notice_text(notice) for notice in stated_notices(analysis)],
        title=title_of(analysis),
        answer=_answer(analysis) or statements(analysis.reply),
        overview=statements(analysis.overview),
        findings=statements(analysis.findings),
    )


def doing(job: JobSnapshot) -> str:
    """Return what an analysis does at the moment, in a few words."""
    progress = job.progress
    steps = f" {progress.step}/{progress.total}" if progress.total and progress.stage != "engine" else ""
    return (stage_text(progress) or t(f"library.state.{job.state}")) + steps


def turn_result(conversation_id: str, turn: Turn) -> schemas.AnswerResult:
    """Return an answer with the frames that it cites."""
    notices = [notice_text(notice) for notice in filter(None, (turn.why, *turn.notices))]
    doubts = schemas.Doubts(
        frames_that_do_not_exist=list(turn.unknown_frames) or None, times_without_a_frame=list(turn.own_times) or None
    )
    cited = (
        build(
            schemas.CitedFrame,
            frame,
            seconds=frame.time_seconds,
            clock=clock(frame.time_seconds),
            report=frame.analysis_id,
        )
        for frame in turn.cited
    )
    return build(
        schemas.AnswerResult,
        turn,
        conversation=conversation_id,
        question=turn.number,
        cited=list(cited),
        pictures_sent=len(turn.attached),
        doubts=doubts if turn.unknown_frames or turn.own_times else None,
        next=t("mcp.next.ask"),
        quoted=schemas.AnswerQuoted(answer=turn.answer, notices=notices),
    )
