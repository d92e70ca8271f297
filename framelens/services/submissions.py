"""Jobs that programs submit: a video that was uploaded, is in an allowed folder or is fetched from a listed address.

A job has its id from the start. While its video is fetched it is a submission in the state "fetching"; then it becomes
a job of the queue like any other. A fetch that the end of the program interrupted begins again at the next start. Both
belong to the user of the request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from framelens.core.background_task import BackgroundTask
from framelens.core.codec import Failure, from_json, to_json
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, Cancelled, InputError, as_app_error
from framelens.core.files import new_id
from framelens.core.identity import as_user, current_user, require
from framelens.services.outbound import Outbound
from framelens.services.subtitle_uploads import attach_subtitles, check_subtitles
from framelens.store.accounts import AccountStore
from framelens.store.api_records import ApiKeyRow, ApiStore, SubmissionRow

if TYPE_CHECKING:
    from framelens.services.container import Services

_STOP_SECONDS = 2.0
"""How long to wait for a fetch to stop at the end of the program. Chosen by hand; not tuned."""
_AT_A_TIME = 4
"""Videos that are fetched at the same time; others wait. Chosen by hand; not tuned."""
_NOT_YET = Path("-")
_EXPECTED_BYTES = 64 << 20
"""Reserved at a time for a video whose size its server doesn't say. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class VideoSource:
    """Where the video of a submission is: the id of an upload, a path in an allowed folder, or an address."""

    type: Literal["upload", "path", "url"]
    value: str


@dataclass(frozen=True)
class Submission:
    """A job as it was submitted.

    Attributes:
        request: The analysis; its path is set when the video is there.
        name: Name of the video as shown to the user, "" for that of the file.
        force: Analyse even if the same file was analysed in the same way before.
        subtitles: Ids of complete uploads that are put beside the video, which is an upload or fetched.
    """

    source: VideoSource
    request: AnalysisRequest
    name: str = ""
    force: bool = False
    subtitles: tuple[str, ...] = ()


@dataclass(frozen=True)
class FetchState:
    """A submission whose video is not there yet.

    Attributes:
        state: "fetching", "failed" or "cancelled".
        received_bytes: Bytes that have arrived.
        size_bytes: Size of the file, None if it is unknown.
        error: Why the fetch failed.
    """

    id: str
    created: str
    submission: Submission
    state: str
    received_bytes: int = 0
    size_bytes: int | None = None
    error: AppError | None = None


Fetch = BackgroundTask[tuple[int, int | None], None]


class Submissions:
    """The submissions of this process. All methods are thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_A_TIME)
        self._fetches: dict[str, Fetch] = {}

    def submit(self, services: Services, key: ApiKeyRow, submission: Submission) -> str:
        """Queue an analysis, or begin to fetch its video, and return the id of the job.

        The same analysis that the user did before is returned instead, unless the submission says otherwise.

        Raises:
            InputError: "api_jobs": the key has so many jobs at work; or the source can't be used.
            StorageError: The job could not be stored.
        """
        source = submission.source
        check_subtitles(services.videos, submission.subtitles)
        if source.type == "url":
            Outbound(services.settings.sources).check_source(source.value)
        else:
            path, _ = _path_of(services, source)  # refused before anything is stored
            _attach(services, submission, path)
        store, job_id = ApiStore(services.store), new_id()
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        owner = services.jobs.process.name
        user_id = current_user().id
        row = SubmissionRow(job_id, key.id, created, "fetching", owner, to_json(submission), user_id=user_id)
        if not store.add_submission(row, key.jobs):
            raise InputError("api_jobs", name=key.name, limit=key.jobs)
        if source.type == "url":
            self._begin(services, job_id, submission)
            return job_id
        try:
            return _queue(services, job_id, submission, *_path_of(services, source))
        except BaseException:
            store.delete_submission(job_id)
            raise

    def resume(self, services: Services) -> None:
        """Continue the submissions that processes which are gone left behind."""
        store, process = ApiStore(services.store), services.jobs.process
        for row in reversed(store.fetches("fetching")):
            if not process.is_alive(row.owner) and store.take_over(row, process.name):
                with as_user(AccountStore(services.store).owner(row.user_id)):
                    self._begin(services, row.job_id, from_json(row.document, Submission))

    def get(self, services: Services, job_id: str) -> FetchState | None:
        """Return the state of a submission that has not become a job, or None."""
        row = ApiStore(services.store).submission(job_id)
        return self._state_of(row) if row and row.state != "queued" else None

    def all(self, services: Services) -> list[FetchState]:
        """List the submissions that have not become jobs, the newest first."""
        return [self._state_of(row) for row in ApiStore(services.store).fetches("fetching", "failed", "cancelled")]

    def cancel(self, services: Services, job_id: str) -> None:
        """Stop the fetch of a video; do nothing for an unknown job."""
        if self.get(services, job_id) is None:
            return
        with self._lock:
            task = self._fetches.get(job_id)
        if task:
            task.cancel()
        else:  # of a process that is gone
            ApiStore(services.store).end_fetch(job_id, "cancelled")

    def drop(self, services: Services, job_id: str) -> bool:
        """Delete a submission that has not become a job, and return whether it was one."""
        if self.get(services, job_id) is None:
            return False
        with self._lock:
            task = self._fetches.pop(job_id, None)
        if task:
            task.cancel()
        ApiStore(services.store).delete_submission(job_id)
        return True

    def close(self) -> None:
        """Stop all fetches; they begin again at the next start."""
        with self._lock:
            tasks, self._fetches = list(self._fetches.values()), {}
        for task in tasks:
            task.cancel()
        for task in tasks:
            task.close(_STOP_SECONDS)

    def _state_of(self, row: SubmissionRow) -> FetchState:
        with self._lock:
            task = self._fetches.get(row.job_id)
        received, size = (task.progress if task else None) or (0, None)
        error = from_json(row.reason, Failure).as_error() if row.reason else None
        submission = from_json(row.document, Submission)
        return FetchState(row.job_id, row.created, submission, row.state, received, size, error)

    def _begin(self, services: Services, job_id: str, submission: Submission) -> None:
        task: Fetch = BackgroundTask("fetch")
        with self._lock:
            self._fetches = {one: task for one, task in self._fetches.items() if task.is_running}
            self._fetches[job_id] = task
        task.start(
            partial(self._run, services, job_id, submission), subject=submission.source.value, progress=(0, None)
        )

    def _run(
        self,
        services: Services,
        job_id: str,
        submission: Submission,
        report: Callable[[tuple[int, int | None]], None],
        cancel: threading.Event,
    ) -> None:
        """Get the video and queue the job. A failure is stored; the end of the program is not one."""
        store = ApiStore(services.store)
        try:
            require("analyst")  # the role of its user may have changed since
            with self._room:
                if cancel.is_set():
                    raise Cancelled
                path, name = _fetched(services, submission, report, cancel)
            _queue(services, job_id, replace(submission, force=True), path, name)  # under the id that was returned
        except Exception as error:
            with self._lock:
                is_forgotten = job_id not in self._fetches
            if is_forgotten:  # it was deleted, or the program ends
                raise
            if cancel.is_set():
                store.end_fetch(job_id, "cancelled")
            else:
                store.end_fetch(job_id, "failed", to_json(Failure.of(as_app_error(error, services.log_path))))
            raise


def _path_of(services: Services, source: VideoSource) -> tuple[Path, str]:
    """Return the file of an upload or in an allowed folder, and its name.

    Raises:
        InputError: It is not there, not complete, or not allowed.
    """
    videos = services.videos
    video = videos.finish(source.value) if source.type == "upload" else videos.from_path(source.value)
    return videos.path(video), videos.name(video)


def _fetched(
    services: Services,
    submission: Submission,
    report: Callable[[tuple[int, int | None]], None],
    cancel: threading.Event,
) -> tuple[Path, str]:
    if submission.source.type != "url":  # a submission that the end of the program interrupted
        return _path_of(services, submission.source)
    url = submission.source.value
    name = submission.name or unquote(urlsplit(url).path).rpartition("/")[2] or urlsplit(url).netloc

    expected = 0

    def progressed(received: int, size: int | None) -> None:
        nonlocal expected
        if received >= expected != size:
            expected = size or received + _EXPECTED_BYTES
            services.videos.expect(video_id, name, expected, received)
        report((received, size))

    with services.videos.incoming(name) as (video_id, file):
        Outbound(services.settings.sources).fetch(url, file, progressed, cancel)
    services.jobs.audit.record("upload", video_id, services.videos.name(video_id))
    path = services.videos.path(video_id)
    _attach(services, submission, path)
    return path, services.videos.name(video_id)


def _attach(services: Services, submission: Submission, path: Path) -> None:
    """Put the subtitles of a submission beside its video."""
    if not submission.subtitles:
        return
    if (video_id := services.videos.find(path)) is None:
        raise InputError("subtitles_for_path", name=path.name)
    attach_subtitles(services.videos, video_id, submission.subtitles)


def _queue(services: Services, job_id: str, submission: Submission, path: Path, name: str) -> str:
    """Queue the job and return its id, or that of the same one that was done before."""
    request = replace(submission.request, path=path)
    store = ApiStore(services.store)
    queued = services.jobs.submit(request, name=submission.name or name, force=submission.force, job_id=job_id)
    if queued == job_id:
        store.end_fetch(job_id, "queued")
    else:
        store.move_submission(job_id, queued)
    return queued
