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

from framelens import AppError, Cancelled, InputError
from framelens.plugin import as_user, current_user, requires
from framelens.plugin.analyses import AnalysisRequest
from framelens.plugin.api import attach_subtitles, check_subtitles
from framelens.plugin.files import new_id
from framelens.plugin.links import FetchProgress, LinkFetcher
from framelens.plugin.processes import BackgroundTasks
from framelens.plugin.storage import Failure, from_json, to_json
from framelens.plugin.users import Users
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore, SubmissionRow

if TYPE_CHECKING:
    from framelens.plugin.analyses import Jobs
    from framelens.plugin.storage import Store, VideoRepository

_STOP_SECONDS = 2.0
"""How long to wait for a fetch to stop at the end of the program."""
_AT_A_TIME = 4
"""Videos that are fetched at the same time; others wait."""


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
        name: Name of the video as shown to the user, "" for the file's name.
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


class Submissions:
    """The submissions of this process. All methods are thread-safe.

    Args:
        store: The store.
        videos: Where the videos are kept.
        jobs: The queue.
        links: What fetches videos.
        log_path: The log file, which errors name.
    """

    def __init__(self, store: Store, videos: VideoRepository, jobs: Jobs, links: LinkFetcher, log_path: Path) -> None:
        self._records = ApiStore(store)
        self._users = Users(store)
        self._videos = videos
        self._jobs = jobs
        self._links = links
        self._log_path = log_path
        self._room = threading.Semaphore(_AT_A_TIME)
        self._fetches = BackgroundTasks[tuple[int, int | None], None]("fetch")

    def submit(self, key: ApiKeyRow, submission: Submission) -> str:
        """Queue an analysis, or begin to fetch its video, and return the id of the job.

        The same analysis that the user did before, or of the same file that is at work, is returned instead, unless
        the submission says otherwise.

        Raises:
            InputError: "api_jobs": the key has so many jobs at work; or the source can't be used.
            StorageError: The job could not be stored.
        """
        source = submission.source
        check_subtitles(self._videos, submission.subtitles)
        if source.type == "url":
            self._links.check(source.value)
        else:
            path, _ = self._path_of(source)  # refused before anything is stored
            self._attach(submission, path)
        job_id = new_id()
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        owner = self._jobs.process.name
        user_id = current_user().id
        row = SubmissionRow(job_id, key.id, created, "fetching", owner, to_json(submission), user_id=user_id)
        if not self._records.add_submission(row, key.jobs):
            raise InputError("api_jobs", name=key.name, limit=key.jobs)
        if source.type == "url":
            self._begin(job_id, submission)
            return job_id
        try:
            return self._queue(job_id, submission, *self._path_of(source))
        except BaseException:
            self._records.delete_submission(job_id)
            raise

    def resume(self) -> None:
        """Continue the submissions that dead processes left behind."""
        process = self._jobs.process
        for row in reversed(self._records.fetches("fetching")):
            if not process.is_alive(row.owner) and self._records.take_over(row, process.name):
                with as_user(self._users.owner(row.user_id)):
                    self._begin(row.job_id, from_json(row.document, Submission))

    def get(self, job_id: str) -> FetchState | None:
        """Return the state of a submission that has not become a job, or None."""
        row = self._records.submission(job_id)
        return self._state_of(row) if row and row.state != "queued" else None

    def all(self) -> list[FetchState]:
        """List the submissions that have not become jobs, the newest first."""
        return [self._state_of(row) for row in self._records.fetches("fetching", "failed", "cancelled")]

    def cancel(self, job_id: str) -> None:
        """Stop the fetch of a video; do nothing for an unknown job."""
        if self.get(job_id) is None:
            return
        if task := self._fetches.get(job_id):
            task.cancel()
        else:  # of a dead process
            self._records.end_fetch(job_id, "cancelled")

    def drop(self, job_id: str) -> bool:
        """Delete a submission that has not become a job, and return whether it existed."""
        if self.get(job_id) is None:
            return False
        if task := self._fetches.pop(job_id):
            task.cancel()
        self._records.delete_submission(job_id)
        return True

    def close(self) -> None:
        """Stop all fetches; they begin again at the next start."""
        self._fetches.close(_STOP_SECONDS)

    def _state_of(self, row: SubmissionRow) -> FetchState:
        task = self._fetches.get(row.job_id)
        received, size = (task.progress if task else None) or (0, None)
        error = from_json(row.reason, Failure).as_error() if row.reason else None
        submission = from_json(row.document, Submission)
        return FetchState(row.job_id, row.created, submission, row.state, received, size, error)

    def _begin(self, job_id: str, submission: Submission) -> None:
        self._fetches.start(job_id, partial(self._run, job_id, submission), progress=(0, None))

    def _run(
        self,
        job_id: str,
        submission: Submission,
        report: Callable[[tuple[int, int | None]], None],
        cancel: threading.Event,
    ) -> None:
        """Get the video and queue the job. A failure is stored, unless the job was deleted or the program ends."""
        try:
            with self._room:
                if cancel.is_set():
                    raise Cancelled
                path, name = self._fetch(submission, report, cancel)
            self._queue(job_id, replace(submission, force=True), path, name)  # under the id that was returned
        except Exception as error:
            if self._fetches.get(job_id) is None:  # it was deleted, or the program ends
                raise
            if cancel.is_set():
                self._records.end_fetch(job_id, "cancelled")
            else:
                self._records.end_fetch(job_id, "failed", to_json(Failure.of(AppError.of(error, self._log_path))))
            raise

    def _path_of(self, source: VideoSource) -> tuple[Path, str]:
        """Return the file of an upload or in an allowed folder, and its name.

        Raises:
            InputError: It is not there, not complete, or not allowed.
        """
        videos = self._videos
        video = videos.finish(source.value) if source.type == "upload" else videos.from_path(source.value)
        return videos.path(video), videos.name(video)

    @requires("analyst")  # the role of its user may have changed since
    def _fetch(
        self,
        submission: Submission,
        report: Callable[[tuple[int, int | None]], None],
        cancel: threading.Event,
    ) -> tuple[Path, str]:
        if submission.source.type != "url":  # a submission that the end of the program interrupted
            return self._path_of(submission.source)

        def progressed(now: FetchProgress) -> None:
            report((now.received_bytes, now.size_bytes))

        source = submission.source
        video_id = self._links.fetch(source.value, progressed, cancel, name=submission.name)
        self._jobs.audit.record("upload", video_id, self._videos.name(video_id))
        path = self._videos.path(video_id)
        self._attach(submission, path)
        return path, self._videos.name(video_id)

    def _attach(self, submission: Submission, path: Path) -> None:
        """Put the subtitles of a submission beside its video."""
        if not submission.subtitles:
            return
        if (video_id := self._videos.find(path)) is None:
            raise InputError("subtitles_for_path", name=path.name)
        attach_subtitles(self._videos, video_id, submission.subtitles)

    def _queue(self, job_id: str, submission: Submission, path: Path, name: str) -> str:
        """Queue the job and return its id, or the id of the same job that was done before or is at work."""
        request = replace(submission.request, path=path)
        at_work = None if submission.force else self._jobs.at_work_on(request)
        queued = at_work or self._jobs.submit(
            request, name=submission.name or name, force=submission.force, job_id=job_id
        )
        if queued == job_id:
            self._records.end_fetch(job_id, "queued")
        else:
            self._records.move_submission(job_id, queued)
        return queued
