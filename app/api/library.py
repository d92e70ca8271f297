"""Routes for the library's cover pictures and for a ZIP of several reports."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from app.api.gate import Gate
from app.core.domain import Analysis, Language
from app.core.errors import InputError
from app.i18n import labelled, language_of, t
from app.library.bulk_operations import MOST_EXPORTED
from app.reports import FORMATS, bundle
from app.reports.files import ReportFile, write_zip

if TYPE_CHECKING:
    from app.services.container import Services

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of this resource below `prefix`."""
    return [
        gate.route(f"{prefix}/library/{{id}}.jpg", _cover, "GET"),
        gate.route(f"{prefix}/library.zip", _export, "GET"),
    ]


async def _cover(request: Request, services: Services) -> Response:
    job_id = request.path_params["id"]
    jpeg = await run_in_threadpool(services.jobs.library.cover, job_id)
    if not jpeg:
        raise InputError("job_unknown", id=job_id[:64])
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


async def _export(request: Request, services: Services) -> Response:
    """Return the reports `?ids=a,b` in `&formats=json,markdown` as one ZIP, made in a temporary file.

    Jobs without a report, or whose report would be empty in these formats, are listed in a text file in the ZIP, in the
    language of `&language=`.
    """
    ids = [one for one in request.query_params.get("ids", "").split(",") if _ID.fullmatch(one)]
    formats = [one for one in request.query_params.get("formats", "json").split(",") if one in FORMATS]
    if not ids or not formats or len(ids) > MOST_EXPORTED:
        raise InputError("nothing_to_export", most=MOST_EXPORTED)
    language = language_of(request.query_params.get("language"))
    path = await run_in_threadpool(_zip, services, ids, formats, language)
    return FileResponse(
        path,
        media_type="application/zip",
        filename="framelens-reports.zip",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _zip(services: Services, ids: Sequence[str], formats: Sequence[str], language: Language) -> Path:
    descriptor, name = tempfile.mkstemp(suffix=".zip", prefix="framelens-")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_zip(file, _files(services, ids, formats, language))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _files(services: Services, ids: Sequence[str], formats: Sequence[str], language: Language) -> Iterator[ReportFile]:
    """Yield the files of all reports, then the list of jobs that are left out, if any."""
    left_out: list[str] = []

    def analyses() -> Iterator[Analysis]:
        for job_id in ids:
            job = services.jobs.snapshot(job_id)
            if job.analysis and any(FORMATS[name].fits(job.analysis) for name in formats):
                yield job.analysis
                continue
            why = "export_nothing_to_say" if job.analysis else "export_no_report"
            state = t(f"library.state.{job.state}", language)
            reason = f"{t(f'library.{why}', language, state=state)} ({job_id})"
            left_out.append(labelled(job.name, reason, language))

    yield from bundle(analyses(), formats)
    if left_out:
        yield ReportFile(f"{t('library.export_left_out', language)}.txt", "\n".join((*left_out, "")).encode())
