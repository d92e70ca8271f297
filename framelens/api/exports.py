"""Exports as files: a report in a format or in all, its frames, a conversation, several reports.

A file is written when it is asked for. A document is a process of seconds and up to 3 GB, so a few are written at a
time, users in turn. Writing stops if the client has left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens.api.gate import Gate
from framelens.api.responses import OpenFileResponse
from framelens.api.turns import TurnQueue
from framelens.composition import Services
from framelens.core.background_task import cancelled_by, check_cancelled
from framelens.core.codec import to_document
from framelens.core.domain import Analysis, Language
from framelens.core.errors import AppError, InputError
from framelens.core.files import safe_stem
from framelens.core.roles import current_user
from framelens.i18n import aside, labelled, t
from framelens.jobs.queue import Jobs
from framelens.jobs.stored.bulk_operations import MOST_EXPORTED
from framelens.jobs.stored.reports import StoredReports
from framelens.questions.export import as_markdown, document
from framelens.questions.repository import ConversationRepository
from framelens.reports.files import ReportFile, frame_entries, write_zip, zipped
from framelens.reports.formats import FORMATS, all_files, bundle, files_of
from framelens.reports.graphics import contact_sheet
from framelens.store.audit import AuditLog
from framelens.video.extractor import full_pictures

T = TypeVar("T")
_log = logging.getLogger(__name__)
_AT_A_TIME = 2
"""Exports written at a time: a document takes a core for seconds."""
_MOST_OF_USER = 8
"""Exports of a user that wait or are written at a time, where there are accounts."""
_ZIP = "application/zip"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ARCHIVES = ("frames", "sheet", "everything")
"""Files of a report beside its formats."""
_GONE = 499
"""Status for a client that left before the answer."""


@dataclass(frozen=True)
class Export:
    """A file for a user: its bytes, or a temporary file that is deleted when it has been sent."""

    name: str
    mime: str
    data: bytes | Path

    def response(self) -> Response:
        """Return the file as an attachment."""
        if isinstance(self.data, Path):
            descriptor = os.open(self.data, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            kind = {"media_type": self.mime, "filename": self.name}
            return OpenFileResponse(descriptor, self.data, is_temporary=True, **kind)
        # The first name is for clients that don't know the second.
        plain = self.name.encode("ascii", "replace").decode().translate({ord(mark): "_" for mark in '?"\\%'})
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"
        return Response(self.data, media_type=self.mime, headers={"Content-Disposition": disposition})


class ExportTurns(TurnQueue[str]):
    """Queue of exports by their users; users with the fewest exports being written go first."""

    def __init__(self) -> None:
        super().__init__(_AT_A_TIME)

    def check(self, key: str) -> None:
        """Raise InputError("exports_many") if the user has the maximum number of exports already."""
        if key and [*self.waiting, *self.holders].count(key) >= _MOST_OF_USER:
            raise InputError("exports_many", count=_MOST_OF_USER)

    def choose(self, waiting: Sequence[str]) -> int:
        """Choose the longest-waiting export of the users with the fewest exports being written."""
        return min(range(len(waiting)), key=lambda index: self.holders.count(waiting[index]))


turns = ExportTurns()
"""The queue of this server."""


async def run_in_turn(request: Request, write: Callable[[], T]) -> T | None:
    """Call `write` in a thread when its turn comes and return its result; stop and return None if the client leaves.

    Raises:
        InputError: "exports_many", or any InputError of `write`.
    """
    cancel, has_begun = threading.Event(), False

    async def in_turn() -> T:
        nonlocal has_begun
        async with turns.turn(current_user().id):
            has_begun = True
            return await run_in_threadpool(cancelled_by(cancel, write))

    work, leaving = asyncio.ensure_future(in_turn()), asyncio.ensure_future(_left(request))
    await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        leaving.cancel()
        return work.result()
    cancel.set()
    if not has_begun:
        work.cancel()
    await asyncio.gather(work, return_exceptions=True)  # its turn ends with its thread
    return None


async def _left(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


# ---- contents of exports ---------------------------------------------------------------------------------------------


def export_report(
    jobs: Jobs,
    reports: StoredReports,
    job_id: str,
    name: str,
    *,
    spoken: Language | None = None,
    conversations: bool = True,
    is_alone: bool = False,
    appendix: bool = False,
) -> Export:
    """Return the report of a job.

    Args:
        jobs: The queue.
        reports: The stored reports.
        job_id: The job.
        name: A format; or "everything", all formats with their pictures; "frames", its frames in full size; "sheet", a
            contact sheet.
        spoken: The language, by default the job's.
        conversations: Include the conversations about the report.
        is_alone: Leave out the pictures that a format refers to.
        appendix: Add the full record to a document; "everything" has it.

    Raises:
        InputError: "report_format_unknown", "job_unknown", "no_report_yet" or "api_report_empty".
    """
    if name not in (*FORMATS, *_ARCHIVES):
        names = ", ".join((*FORMATS, *_ARCHIVES))
        raise InputError("report_format_unknown", given=name[:80], known=names)
    job = jobs.snapshot(job_id)
    analysis = reports.get(job_id, conversations=conversations)
    if analysis is None:
        raise InputError("no_report_yet", id=job_id)
    if name in FORMATS and not FORMATS[name].fits(analysis):
        raise InputError("api_report_empty", name=analysis.video.name, format=name)
    spoken = spoken or analysis.request.language
    stem = safe_stem(analysis.video.name)
    export = _archive(analysis, name, spoken, stem)
    if export is None:
        files = files_of(name, analysis, spoken, stem + FORMATS[name].suffix, appendix=appendix)
        export = _of_files(name, stem, list(islice(files, 1 if is_alone else None)))
    jobs.audit.record("export", job.id, job.name)
    return export


def _archive(analysis: Analysis, name: str, spoken: Language, stem: str) -> Export | None:
    """Return the export with a name of _ARCHIVES, or None for a format."""
    match name:
        case "everything":
            return Export(f"{stem}.zip", _ZIP, zipped(all_files(analysis, spoken, stem)))
        case "frames":
            return Export(f"{stem}.frames.zip", _ZIP, frames_as_zip(analysis))
        case "sheet":
            return Export(f"{stem}.contact-sheet.jpg", "image/jpeg", contact_sheet.write(analysis, spoken))
    return None


def _of_files(name: str, stem: str, files: Sequence[ReportFile]) -> Export:
    """Return the files of a format: a single one unchanged, several as a ZIP."""
    form = FORMATS[name]
    if len(files) > 1:
        return Export(f"{stem}{form.suffix}.zip", _ZIP, zipped(files))
    return Export(files[0].name, form.mime, files[0].data)


def frames_as_zip(analysis: Analysis) -> bytes:
    """Return JPEGs and times.csv as a ZIP, the pictures as stored where the video can't be read."""
    try:
        return zipped(frame_entries(full_pictures(analysis.video.path, analysis.pictured)))
    except AppError as error:
        _log.warning("using stored frames: the video cannot be read: %s", error)
        return zipped(frame_entries(analysis.pictured))


def _conversation(
    conversations: ConversationRepository, reports: StoredReports, audit: AuditLog, conversation_id: str, name: str
) -> Export:
    conversation = reports.as_corrected(conversations.get(conversation_id))
    names, stem = reports.video_names(conversation), safe_stem(conversation.name)
    if name == "json":
        text = json.dumps(to_document(document(conversation, names)), ensure_ascii=False, indent=2)
        export = Export(f"{stem}.json", "application/json", text.encode())
    else:
        export = Export(f"{stem}.md", "text/markdown", as_markdown(conversation, names).encode())
    audit.record("export", conversation.id)
    return export


def _several(
    jobs: Jobs,
    reports: StoredReports,
    ids: Sequence[str],
    formats: Sequence[str],
    *,
    conversations: bool,
    appendix: bool,
) -> Export:
    """Write the reports of several jobs into a temporary ZIP."""
    descriptor, name = tempfile.mkstemp(suffix=".zip", prefix="framelens-")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_zip(file, _files(jobs, reports, ids, formats, conversations=conversations, appendix=appendix))
        check_cancelled()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Export("framelens-reports.zip", _ZIP, path)


def _files(
    jobs: Jobs,
    reports: StoredReports,
    ids: Sequence[str],
    formats: Sequence[str],
    *,
    conversations: bool,
    appendix: bool,
) -> Iterator[ReportFile]:
    """Yield the files of all reports, then the list of jobs that are left out, if any."""
    left_out: list[str] = []

    def analyses() -> Iterator[Analysis]:
        for job_id in ids:
            job, analysis = jobs.snapshot(job_id), reports.get(job_id, conversations=conversations)
            if analysis and any(FORMATS[name].fits(analysis) for name in formats):
                yield analysis
                jobs.audit.record("export", job.id, job.name)
                continue
            why = "export_nothing_to_say" if analysis else "export_no_report"
            state = t(f"library.state.{job.state}")
            reason = t(f"library.{why}", state=state) + aside(job_id)
            left_out.append(labelled(job.name, reason))

    yield from bundle(analyses(), formats, appendix=appendix)
    if left_out:
        yield ReportFile(f"{t('library.export_left_out')}.txt", "\n".join((*left_out, "")).encode())


# ---- routes of the page ----------------------------------------------------------------------------------------------


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of exports below `prefix`; `&lang=` is the language of the page."""
    return [
        gate.route(f"{prefix}/jobs/{{id}}/exports/{{name}}", _send_report, "GET", role="viewer"),
        gate.route(f"{prefix}/conversations/{{id}}/exports/{{name}}", _send_conversation, "GET", role="viewer"),
        gate.route(f"{prefix}/library.zip", _send_several, "GET", role="viewer"),
    ]


async def send_export(request: Request, write: Callable[[], Export]) -> Response:
    """Return the response with the export that `write` returns, called in a thread when its turn comes.

    Writing is cancelled if the client leaves. Raises what `run_in_turn` raises.
    """
    export = await run_in_turn(request, write)
    return export.response() if export else Response(status_code=_GONE)


async def _send_report(request: Request, services: Services) -> Response:
    """Send a report in the language of its job.

    `&conversations=0` leaves out the conversations about the report, `&appendix=1` adds the full record to a document.
    """
    has_conversations = request.query_params.get("conversations") != "0"
    has_appendix = request.query_params.get("appendix") == "1"
    write = partial(
        export_report,
        services.jobs,
        services.reports,
        *_id_and_name(request),
        conversations=has_conversations,
        appendix=has_appendix,
    )
    return await send_export(request, write)


async def _send_conversation(request: Request, services: Services) -> Response:
    collaborators = services.conversations, services.reports, services.jobs.audit
    return await send_export(request, partial(_conversation, *collaborators, *_id_and_name(request)))


def _id_and_name(request: Request) -> tuple[str, str]:
    return request.path_params["id"], request.path_params["name"]


async def _send_several(request: Request, services: Services) -> Response:
    """Send the reports `?ids=a,b` in `&formats=json,markdown` as a ZIP; `&conversations=0` leaves out conversations.

    `&appendix=1` adds the full record to documents.
    Jobs without a report, or whose report would be empty in these formats, are listed in a text file in the ZIP.
    """
    ids = [job_id for job_id in request.query_params.get("ids", "").split(",") if _ID.fullmatch(job_id)]
    formats = [name for name in request.query_params.get("formats", "json").split(",") if name in FORMATS]
    if not ids or not formats or len(ids) > MOST_EXPORTED:
        raise InputError("nothing_to_export", most=MOST_EXPORTED)
    has_conversations = request.query_params.get("conversations") != "0"
    options = {"conversations": has_conversations, "appendix": request.query_params.get("appendix") == "1"}
    return await send_export(request, partial(_several, services.jobs, services.reports, ids, formats, **options))
