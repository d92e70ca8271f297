"""Bulk operations on the library: delete analyses for good with their videos, and empty the trash."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from framelens.core.errors import AppError, Cancelled, StorageError
from framelens.core.files import storable
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.trash import TrashEntry
from framelens.store.videos.video_repository import VideoRepository

_log = logging.getLogger(__name__)

MOST_EXPORTED = 500
"""Limit for a ZIP: the ids must fit into a URL."""
_SWEEP_SECONDS = 86_400.0
"""Pause between two looks at the trash, a day."""


@dataclass(frozen=True)
class Removed:
    """Result of deleting an analysis or conversation for good; `error` says why it is still there."""

    id: str
    name: str
    with_video: bool = False
    error: AppError | None = None


def remove_jobs(jobs: Jobs, videos: VideoRepository, job_ids: Iterable[str]) -> Iterator[Removed]:
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
