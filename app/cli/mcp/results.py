"""Results of the MCP server's tools: one JSON object as text, then pictures.

Whatever comes from a video or from a model is below a key "quoted", in JSON strings that their content can't leave.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from mcp.types import CallToolResult, ImageContent, TextContent

from app import core
from app.ask import Turn
from app.i18n import error_text, notice_text, t
from app.jobs import JobSnapshot
from app.reports import content
from app.store import Hit, LibraryEntry

MOST_FINDINGS = 40
"""Findings in the result of an analysis. Chosen by hand; not tuned."""
Document = dict[str, Any]


def result(document: Document, pictures: Iterable[bytes] = ()) -> CallToolResult:
    """Return a tool's result.

    Args:
        document: Its JSON object.
        pictures: JPEGs.
    """
    text = json.dumps({"note": t("mcp.quoted"), **document}, ensure_ascii=False)
    images = [
        ImageContent(type="image", data=base64.b64encode(jpeg).decode(), mime_type="image/jpeg") for jpeg in pictures
    ]
    return CallToolResult(content=[TextContent(type="text", text=text), *images])


def failed(error: core.AppError) -> CallToolResult:
    """Return the result of a tool that failed: the error as a sentence."""
    return CallToolResult(content=[TextContent(type="text", text=error_text(error))], is_error=True)


def entry_document(entry: LibraryEntry, state: str, hits: Sequence[Hit] | None = None) -> Document:
    """Return a report of the library, with the passages that a search found in it."""
    quoted = {"name": entry.name, "title": entry.title, "question": entry.question, "path": entry.path}
    passages = (
        {}
        if hits is None
        else {"passages": [{"kind": hit.kind, "seconds": hit.seconds, "text": hit.text} for hit in hits]}
    )
    return {
        "id": entry.id,
        "created": entry.created,
        "state": state,
        "seconds": entry.seconds,
        "frames": entry.num_frames,
        "findings": entry.num_findings,
        "model": entry.model,
        "quoted": {**quoted, **passages},
    }


def job_document(job: JobSnapshot) -> Document:
    """Return the state of an analysis, and what its report says as far as there is one.

    Raises:
        AppError: It is over and has no report.
    """
    analysis = job.analysis
    head: Document = {"id": job.id, "state": job.state}
    if not job.is_over:
        head |= {"doing": stage_text(job), "next": t("mcp.next.wait")}
    elif analysis is None:
        raise job.error or core.Cancelled()
    if job.error:
        head["problem"] = error_text(job.error)
    if analysis is None:
        return head
    times = {frame.number: core.clock(frame.time_seconds) for frame in analysis.keyframes}

    def findings(found: Sequence[core.Finding]) -> list[Document]:
        return [
            {
                "text": one.text,
                "times": [times[number] for number in one.frames if number in times],
                **({"fields": dict(one.fields)} if one.fields else {}),
            }
            for one in found[:MOST_FINDINGS]
        ]

    return {
        **head,
        "seconds": analysis.decode.readable_seconds,
        "shots": len(analysis.decode.shots),
        "keyframes": [round(frame.time_seconds, 3) for frame in analysis.keyframes],
        "model": analysis.answered_by,
        "findings": len(analysis.findings),
        "quoted": {
            "name": job.name,
            "notices": [notice_text(notice) for notice in content.stated_notices(analysis)],
            "title": analysis.title,
            "answer": findings(analysis.reply),
            "overview": findings(analysis.overview),
            "findings": findings(analysis.findings),
        },
    }


def stage_text(job: JobSnapshot) -> str:
    """Return what an analysis does at the moment, in a few words."""
    progress = job.progress
    if progress.stage is None:
        return t(f"library.state.{job.state}")
    if progress.stage == "engine" and progress.engine_phase:
        return t(f"engine.phase.{progress.engine_phase.phase}", **progress.engine_phase.values)
    steps = f" {progress.step}/{progress.total}" if progress.total else ""
    return t(f"stage.{progress.stage}") + steps


def turn_document(conversation_id: str, turn: Turn) -> Document:
    """Return an answer with the frames that it cites."""
    doubts: Document = {"frames_that_do_not_exist": turn.unknown_frames, "times_without_a_frame": turn.own_times}
    notices = [notice_text(notice) for notice in filter(None, (turn.why, *turn.notices))]
    return {
        "conversation": conversation_id,
        "question": turn.number,
        "state": turn.state,
        "model": turn.model,
        "cited": [
            {
                "number": one.number,
                "seconds": one.time_seconds,
                "clock": core.clock(one.time_seconds),
                "report": one.analysis_id,
            }
            for one in turn.cited
        ],
        "pictures_sent": len(turn.attached),
        **({"doubts": {name: found for name, found in doubts.items() if found}} if any(doubts.values()) else {}),
        "next": t("mcp.next.ask"),
        "quoted": {"answer": turn.answer, "notices": notices},
    }
