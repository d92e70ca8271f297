"""Routes for jobs: submitted, listed, watched, reported, cancelled and deleted."""

import hashlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from framelens import InputError, Language
from framelens.plugin import language
from framelens.plugin.analyses import State, build_request, build_selection, remove_jobs
from framelens.plugin.api import ANALYST, BINARY, VIEWER, ServicesDep, export_report, send_export
from framelens.plugin.reports import FORMATS
from framelens.plugin.speech import SpeakerSummary
from framelens.plugin.storage import LibraryQuery
from framelens.plugin.texts import single_line
from framelens.plugins.server.parts import submissions_of, webhooks_of
from framelens.plugins.server.submissions import Submission, VideoSource
from framelens.plugins.server.v1.dependencies import KeyDep, event_of, ticks
from framelens.plugins.server.v1.schemas import (
    Job,
    JobEntry,
    JobList,
    NewJob,
    PathSource,
    SpeakerList,
    SpeakerNames,
    UploadSource,
)

router = APIRouter(tags=["jobs"])
_ARCHIVE = "zip"
"""Name of all formats in one file, in addition to the names in FORMATS."""
_FIELDS = {"every": "every_seconds", "at": "times_seconds", "start": "start_seconds", "end": "end_seconds"}
_MOST_LISTED = 200
_MOST_OFFSET = 10**9


@router.post("/jobs", dependencies=[ANALYST], status_code=202)
def submit_job(body: NewJob, services: ServicesDep, key: KeyDep, response: Response) -> Job:
    """Submit a video to be analysed.

    A file at an address is fetched first, in the state "fetching". If the same file was analysed in the same way
    before, or the same request was sent before and is at work, that job is the answer, unless `force` is set.
    """
    selection = build_selection(
        strategy=body.strategy,
        every=body.every_seconds,
        at=body.times_seconds,
        start=body.start_seconds,
        end=body.end_seconds,
        pace=body.pace,
        time_limit=body.time_limit_seconds,
        spelling=_spell,
    )
    request = build_request(
        Path("-"),
        services.settings,
        services.templates,
        template=body.template,
        question=body.question,
        language=body.language or language(),
        use_model=body.use_model,
        selection=selection,
        frames=body.frames,
        speakers=body.speakers,
    )
    match body.source:
        case UploadSource(id=upload):
            source = VideoSource("upload", upload)
        case PathSource(path=path):
            source = VideoSource("path", path)
        case other:
            source = VideoSource("url", other.url)
    submission = Submission(source, request, single_line(body.name), body.force, tuple(body.subtitles))
    job_id = submissions_of(services).submit(key, submission)
    webhooks_of(services).begin()
    response.headers["Location"] = f"jobs/{job_id}"
    return find_job(job_id, services)


@router.get("/jobs", dependencies=[VIEWER])
def list_jobs(
    services: ServicesDep,
    words: Annotated[str, Query(max_length=1000, description="Words that the analysis must contain.")] = "",
    state: Annotated[State | None, Query()] = None,
    tag: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, le=_MOST_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = 50,
) -> JobList:
    """List or search the analyses of this server, including the page's."""
    services.jobs.indexing.catch_up()
    library, query = services.jobs.library, LibraryQuery(words, (state,) if state else (), tag=tag)
    entries = library.find(query, order="best", offset=offset, limit=limit)
    return JobList(
        total=library.count(query),
        jobs=[JobEntry.of(entry, services.jobs.state_of(entry)) for entry in entries],
        fetching=[Job.fetched(submission) for submission in submissions_of(services).all()],
    )


@router.get("/jobs/{job_id}", dependencies=[VIEWER])
def get_job(job_id: str, services: ServicesDep) -> Job:
    """Get the state of a job."""
    return find_job(job_id, services)


def find_job(job_id: str, services: ServicesDep) -> Job:
    """Return a job of the queue, or a job whose video is fetched. Raises InputError("job_unknown")."""
    fetch = submissions_of(services).get(job_id)
    if fetch is not None:
        return Job.fetched(fetch)
    return Job.of(services.jobs.brief(job_id))


@router.get("/jobs/{job_id}/events", dependencies=[VIEWER], response_class=EventSourceResponse)
async def watch_job(
    job_id: str,
    services: ServicesDep,
    key: KeyDep,
    current: Annotated[Job, Depends(find_job)],  # before the stream begins, so that an unknown job is a 404
    last_event_id: Annotated[str, Header(max_length=64)] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Stream the state of a job as server-sent events until it is over.

    Each event "job" has the whole state, so a client that reconnects with Last-Event-ID misses nothing. The event
    "deleted" ends the stream of a job that was deleted.
    """
    sent_id = last_event_id
    async for _ in ticks(services.store, key):
        try:
            job = await run_in_threadpool(find_job, job_id, services)
        except InputError:
            yield ServerSentEvent(event="deleted", data={"id": job_id})
            return
        state_id = hashlib.sha256(job.model_dump_json(exclude={"eta_seconds"}).encode()).hexdigest()[:16]
        if state_id != sent_id or job.is_over:
            yield event_of("job", job, id=state_id, retry=1000)
            sent_id = state_id
        if job.is_over:
            return


@router.get(
    "/jobs/{job_id}/reports/{name}",
    dependencies=[VIEWER],
    response_class=Response,
    responses={200: {"description": "The file", "content": BINARY}},
)
async def get_report(
    job_id: str,
    name: Annotated[str, InPath(description='A format, or "zip"; see GET /.')],
    request: Request,
    services: ServicesDep,
    spoken: Annotated[Language | None, Query(alias="language", description="By default that of the job.")] = None,
    conversations: Annotated[bool, Query(description="Include the conversations about it.")] = True,
    appendix: Annotated[bool, Query(description="Add the full record to PDF, DOCX, HTML or Markdown.")] = False,
) -> Response:
    """Get the report in one format, or "zip" for all formats with their pictures."""
    if name not in (*FORMATS, _ARCHIVE):
        raise InputError("report_format_unknown", given=name[:80], known=", ".join((*FORMATS, _ARCHIVE)))
    if not (await run_in_threadpool(find_job, job_id, services)).has_report:
        raise InputError("no_report_yet", id=job_id)
    kind = "everything" if name == _ARCHIVE else name
    report = partial(export_report, spoken=spoken, conversations=conversations, appendix=appendix, is_alone=True)
    return await send_export(request, lambda: report(services.jobs, services.reports, job_id, kind))


@router.get("/jobs/{job_id}/speakers", dependencies=[VIEWER])
def list_speakers(job_id: str, services: ServicesDep) -> SpeakerList:
    """List the speakers of a report; empty if they weren't separated."""
    analysis = services.jobs.snapshot(job_id).analysis
    return SpeakerList.of(SpeakerSummary.all_of(analysis.transcript if analysis else None))


@router.patch("/jobs/{job_id}/speakers", dependencies=[ANALYST])
def rename_speakers(job_id: str, body: SpeakerNames, services: ServicesDep) -> SpeakerList:
    """Name speakers of a finished report, in its files as well; others keep their names."""
    return SpeakerList.of(services.reports.name_speakers(job_id, body.names))


@router.post("/jobs/{job_id}/cancel", dependencies=[ANALYST], status_code=202)
def cancel_job(job_id: str, services: ServicesDep) -> Job:
    """Stop a job; what is finished is kept. A job that is over doesn't change."""
    find_job(job_id, services)
    submissions_of(services).cancel(job_id)
    services.jobs.cancel(job_id)
    webhooks_of(services).begin()
    return find_job(job_id, services)


@router.post("/jobs/{job_id}/resume", dependencies=[ANALYST], status_code=202)
def resume_job(
    job_id: str,
    services: ServicesDep,
    accept_changes: Annotated[bool, Query(description="Ask everything again if settings have changed.")] = False,
) -> Job:
    """Continue a job that was paused, cancelled or interrupted, or that failed; other jobs don't change."""
    find_job(job_id, services)
    if submissions_of(services).get(job_id) is None:
        services.jobs.resume(job_id, accept_changes=accept_changes)
    webhooks_of(services).begin()
    return find_job(job_id, services)


@router.delete("/jobs/{job_id}", dependencies=[ANALYST], status_code=204)
def delete_job(job_id: str, services: ServicesDep) -> None:
    """Delete a job for good, with its report and conversations.

    Its uploaded or fetched video goes with it, unless something else uses that.
    """
    find_job(job_id, services)
    if submissions_of(services).drop(job_id):
        return
    for removed in remove_jobs(services.jobs, services.videos, [job_id]):
        if removed.error:
            raise removed.error


def _spell(name: str, value: object) -> str:
    field = _FIELDS.get(name, name)
    return field if value is None else f"{field} = {value}"
