"""What is done with many analyses of the library at once: deleted with their videos, or taken in from files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from app.domain import Analysis
from app.errors import AppError, InputError
from app.jobs.queue import Jobs
from app.reports.json_reading import read
from app.store.videos import VideoShelf

MOST_EXPORTED = 500
"""As many go into one ZIP: their ids must fit into an address."""
_MOST_REPORT_BYTES = 512 << 20
_MOST_REPORTS = 5000


@dataclass(frozen=True)
class Removed:
    """What became of one that was to be deleted; `error` is why it is still there."""

    id: str
    name: str
    with_video: bool = False
    error: AppError | None = None


def remove(jobs: Jobs, videos: VideoShelf, job_ids: Iterable[str]) -> Iterator[Removed]:
    """Delete these analyses one by one, each with its video where that was uploaded and no other is about it."""
    jobs.indexing.catch_up()  # one that was never taken up may be about the same video
    for job_id in job_ids:
        try:
            job = jobs.remove(job_id)
            is_shared = jobs.library.others_on(job_id, str(job.request.path))
            yield Removed(job_id, job.name, not is_shared and videos.drop_upload(job.request.path))
        except AppError as error:
            yield Removed(job_id, job_id, error=error)


def reports_in(path: Path) -> Iterator[Analysis]:
    """The analyses in a file, as `reports_of` gives them. Raises also InputError("report_not_found")."""
    try:
        with path.open("rb") as file:
            yield from reports_of(file, name=path.name)
    except OSError as error:
        raise InputError("report_not_found", path=str(path), reason=error.strerror or str(error)) from error


def reports_of(file: BinaryIO, *, name: str) -> Iterator[Analysis]:
    """The analyses in a JSON report, or in all those of a ZIP. Raises InputError: not a report, damaged, too large, or
    "no_reports" in a ZIP without any.
    """
    if zipfile.is_zipfile(file):
        yield from _in_zip(file, name)
        return
    file.seek(0)
    yield read(_limited(file, name), name=name)


def _in_zip(file: BinaryIO, name: str) -> Iterator[Analysis]:
    found = 0
    try:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if one.filename.lower().endswith(".json")]
            for member in members[:_MOST_REPORTS]:
                with archive.open(member) as inside:
                    data = _limited(inside, member.filename)
                try:
                    yield read(data, name=f"{name}: {member.filename}")
                except InputError as error:
                    if error.key in ("report_not_ours", "report_not_json"):
                        continue  # other files may lie beside the reports
                    raise
                found += 1
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:  # damaged, or encrypted
        raise InputError("report_damaged", name=name, place="ZIP", reason=str(error)) from error
    if not found:
        raise InputError("no_reports", name=name)


def _limited(file: IO[bytes], name: str) -> bytes:
    data = file.read(_MOST_REPORT_BYTES + 1)
    if len(data) > _MOST_REPORT_BYTES:
        raise InputError("report_too_large", name=name, megabytes=_MOST_REPORT_BYTES >> 20)
    return data
