"""Bulk operations on the library: delete analyses for good with their videos, empty the trash, import from files."""

import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from framelens.core.child_environment import reader_environment
from framelens.core.domain import Analysis
from framelens.core.errors import AppError, Cancelled, InputError, StorageError
from framelens.core.files import storable
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.library import import_worker
from framelens.store.fs_utils import disk_errors, reason_of
from framelens.store.trash import TrashEntry
from framelens.store.videos.video_repository import VideoRepository

_log = logging.getLogger(__name__)

MOST_EXPORTED = 500
"""Limit for a ZIP: the ids must fit into a URL."""
_LOGGED_LINES = 20
_SWEEP_SECONDS = 86_400.0
"""Pause between two looks at the trash, a day."""


@dataclass(frozen=True)
class Removed:
    """Result of deleting an analysis or conversation for good; `error` says why it is still there."""

    id: str
    name: str
    with_video: bool = False
    error: AppError | None = None


def remove(jobs: Jobs, videos: VideoRepository, job_ids: Iterable[str]) -> Iterator[Removed]:
    """Delete these analyses for good, each with its video if the video was uploaded and no other analysis uses it."""
    jobs.indexing.catch_up()  # an analysis that was never indexed may be about the same video
    for job_id in job_ids:
        yield _delete(jobs, videos, job_id, jobs.brief, partial(jobs.remove, job_id))


def purge(jobs: Jobs, videos: VideoRepository, entries: Iterable[TrashEntry]) -> Iterator[Removed]:
    """Delete these analyses in the trash as `remove` does, and these conversations."""
    jobs.indexing.catch_up()
    for entry in entries:
        if entry.kind == "conversation":
            yield _purge_conversation(jobs, entry)
        else:
            yield _delete(jobs, videos, entry.id, jobs.in_trash, partial(jobs.purge, entry))


def _purge_conversation(jobs: Jobs, entry: TrashEntry) -> Removed:
    try:
        jobs.trash.purge_conversation(entry)
        return Removed(entry.id, entry.name)
    except AppError as error:
        return Removed(entry.id, entry.id, error=error)


def _delete(
    jobs: Jobs,
    videos: VideoRepository,
    job_id: str,
    find: Callable[[str], JobSnapshot],
    delete: Callable[[], JobSnapshot],
) -> Removed:
    try:
        path = find(job_id).request.path
        with suppress(StorageError):  # on a full disk, where deleting matters most
            videos.let_go_with(path, job_id)
        job = delete()
        return Removed(job_id, job.name, _drop_unused(jobs, videos, path, job_id))
    except AppError as error:
        return Removed(job_id, job_id, error=error)


def sweep(jobs: Jobs, videos: VideoRepository) -> None:
    """Finish the deletions that the end of a program interrupted."""
    going = videos.going()
    try:
        if going:
            jobs.indexing.catch_up()  # an analysis that was never indexed may be about the same video
    except AppError:
        _log.warning("deletions that were interrupted are finished at another start", exc_info=True)
        return
    for path, job_id in going:
        if jobs.library.is_stored(job_id):
            videos.keep(path)
        else:
            _drop_unused(jobs, videos, path, job_id)


def sweep_trash(jobs: Jobs, videos: VideoRepository) -> None:
    """Delete the expired entries of the trash for good. A failed deletion is logged, and tried again later.

    Raises:
        StorageError: The store can't be read.
    """
    for entry in jobs.trash.expired():
        try:
            error = next(purge(jobs, videos, [entry])).error
        except ValueError as damaged:  # its document can't be read
            _log.warning("%s %s in the trash can't be deleted: %s", entry.kind, entry.id, damaged)
        else:
            if error:
                _log.warning("%s %s in the trash was not deleted: %s", entry.kind, entry.id, error)


def sweep_trash_daily(jobs: Jobs, videos: VideoRepository, cancel: threading.Event) -> None:
    """Call `sweep_trash` now and once a day, until cancelled.

    Raises:
        Cancelled: `cancel` was set.
    """
    while not cancel.is_set():
        try:
            sweep_trash(jobs, videos)
        except AppError:
            _log.warning("the trash could not be read", exc_info=True)
        cancel.wait(_SWEEP_SECONDS)
    raise Cancelled


def _drop_unused(jobs: Jobs, videos: VideoRepository, path: Path, job_id: str) -> bool:
    """Delete an uploaded video unless another analysis uses it, and return whether it was deleted."""
    if jobs.library.has_others_on([job_id], str(storable(path))):
        with suppress(StorageError):
            videos.keep(path)
        return False
    return videos.drop_upload(path)


def reports_in(paths: Iterable[Path]) -> Iterator[Analysis]:
    """Yield the analyses in these files, as `reports_of` does.

    Raises:
        InputError: "report_not_found", or an InputError of `reports_of`.
        StorageError: There is no room for the unpacked analyses.
    """
    with ExitStack() as opened:
        files = []
        for path in paths:
            try:
                file = opened.enter_context(path.open("rb"))
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            except OSError as error:
                raise InputError("report_not_found", path=str(path), reason=reason_of(error)) from error
            files.append((path.name, file))
        yield from reports_of(files)


def reports_of(files: Iterable[tuple[str, BinaryIO]]) -> Iterator[Analysis]:
    """Yield the analyses in named files: JSON reports, or ZIPs that contain JSON reports.

    A child process checks all files before the first analysis is yielded, so that a file that is refused leaves nothing
    behind. At most 64 MB of text are unpacked for each report (framelens.reports.json.reader), and the memory of the
    child is limited.

    Raises:
        InputError: A file is not a report, damaged, too large, or a ZIP without reports ("no_reports").
        StorageError: There is no room for the unpacked analyses.
    """
    with ExitStack() as kept, disk_errors(Path(tempfile.gettempdir())):
        checked = []
        for name, file in files:
            target = kept.enter_context(tempfile.TemporaryFile())
            _check(file, name, target)
            checked.append(target)
        for target in checked:
            yield from import_worker.messages(target)


def _check(file: BinaryIO, name: str, target: BinaryIO) -> None:
    """Let a child process read the file and write the analyses to `target`. Raises InputError."""
    with _on_disk(file) as source:
        # -P keeps a file in the working directory from being imported in place of a library.
        child = subprocess.run(
            [sys.executable, "-P", "-m", "framelens.library.import_worker", name],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            env=reader_environment(),
            check=False,
        )
    for line in child.stderr.decode(errors="replace").splitlines()[-_LOGGED_LINES:]:
        _log.warning("import of %r: %s", name, line)
    if child.returncode == import_worker.REFUSED:
        list(import_worker.messages(target))  # raises the refusal
    if child.returncode:  # a library that gets no memory may end the process
        megabytes = import_worker.MEMORY_BYTES >> 20
        raise InputError("report_too_heavy", name=name, megabytes=megabytes)


@contextmanager
def _on_disk(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the file, or a copy on disk if it is in memory, so that a child process can read it from its start."""
    file.seek(0)
    try:
        file.fileno()
    except OSError:  # it is in memory
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield copy
    else:
        yield file
