"""Batches of the page: an analysis for each video in the queue, their states, and their summary with all reports."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import AppError, Cancelled, InputError, Language, StorageError
from framelens.plugin import as_user, current_user, requires
from framelens.plugin.analyses import UNKNOWN_PATH, AnalysisRequest, Jobs
from framelens.plugin.files import new_id
from framelens.plugin.outputs import safe_stem, unused_name
from framelens.plugin.processes import BackgroundTasks
from framelens.plugin.reports import FORMATS, ReportFile, files_of, shareable_value
from framelens.plugin.storage import Failure, Store
from framelens.plugin.users import Users
from framelens.plugins.batch.batch import Batch, BatchVideo, request_for
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.results import REPORTS, VideoStatus, results_of, status_of
from framelens.plugins.batch.summary import NAMES, Summary, render, summarise

if TYPE_CHECKING:
    from framelens.plugin import Settings
    from framelens.plugin.analyses import Planner, Templates

_FORMAT = "html"
_CLOSE_SECONDS = 5.0  # a long video takes longer to hash


class PageBatches:
    """Batches that the page starts: each video becomes a job of the queue, which outlives page and program.

    Jobs are submitted in the background, since a file is hashed for that.

    Args:
        store: The store.
        jobs: The queue.
        templates: The templates of requests.
        planner: Returns the planner of the engine in use.

    Attributes:
        stored: All batches, also those that commands have started.
    """

    def __init__(self, store: Store, jobs: Jobs, templates: Templates, planner: Callable[[], Planner]) -> None:
        self._store = store
        self._jobs = jobs
        self._templates = templates
        self._planner = planner
        self._tasks = BackgroundTasks[None, None]("batch")
        self.stored = BatchRepository(store)

    @requires("analyst")
    def start(
        self,
        name: str,
        paths: Iterable[tuple[str, Path | AppError]],
        request: AnalysisRequest,
    ) -> Batch:
        """Start a batch and return it.

        Args:
            name: Name of the batch, "" to name it after its videos.
            paths: Name of each video, with its file, or with the error if it can't be used.
            request: The common request; its path doesn't matter.

        Raises:
            StorageError: The batch can't be stored.
        """
        videos = tuple(
            BatchVideo("", UNKNOWN_PATH, shown, failure=Failure.of(path))
            if isinstance(path, AppError)
            else BatchVideo("", path, shown)
            for shown, path in paths
        )
        batch = self.stored.add(Batch(new_id(), videos, replace(request, path=UNKNOWN_PATH), name=name))
        self._submit(batch.id)
        return batch

    def is_submitting(self, batch_id: str) -> bool:
        """Return whether jobs of the batch are still being submitted."""
        task = self._tasks.get(batch_id)
        return task is not None and task.is_running

    def is_working(self, batch: Batch, statuses: Iterable[VideoStatus]) -> bool:
        """Return whether a job of the batch waits or runs, or is about to be submitted."""
        return self.is_submitting(batch.id) or any(
            not status.is_over and status.state != "pending" for status in statuses
        )

    def error_of(self, batch_id: str) -> AppError | None:
        """Return why jobs could not be submitted, or None."""
        task = self._tasks.get(batch_id)
        return task.error if task else None

    def can_continue(self, batch: Batch, statuses: Iterable[VideoStatus]) -> bool:
        """Return whether `proceed` would do anything."""
        if self.is_submitting(batch.id):
            return False
        return any(status.has_stopped or (status.state == "pending" and batch.folder is None) for status in statuses)

    def conflicts(self, statuses: Iterable[VideoStatus]) -> dict[str, dict[str, tuple[str, str]]]:
        """Return by job the settings that have changed since it answered something, for jobs that `proceed` resumes."""
        ids = [status.video.job_id for status in statuses if status.has_stopped]
        return {job_id: changes for job_id in ids if (changes := self._jobs.conflicts(job_id))}

    @requires("analyst")
    def proceed(self, batch: Batch, *, accept_changes: bool = False) -> None:
        """Resume jobs that stopped early or failed, and submit pending videos.

        Args:
            batch: The batch.
            accept_changes: Ask everything again in jobs that were begun with other settings.

        Raises:
            InputError: "settings_changed" for the first job that was begun with other settings; all others continue.
        """
        refused: InputError | None = None
        for status in status_of(batch, self._jobs):
            try:
                if status.has_stopped:
                    self._jobs.resume(status.video.job_id, accept_changes=accept_changes)
            except InputError as error:
                refused = refused or error
        if batch.folder is None:
            self._submit(batch.id)
        if refused:
            raise refused

    @requires("analyst")
    def cancel(self, batch: Batch) -> None:
        """Submit no further job and stop the batch's jobs, waiting jobs first so that they don't begin."""
        if task := self._tasks.get(batch.id):
            task.cancel()
        for status in sorted(status_of(batch, self._jobs), key=lambda status: status.state == "running"):
            if status.video.job_id and not status.is_over:
                self._jobs.cancel(status.video.job_id)

    def close(self) -> None:
        """Submit no further job; what wasn't submitted stays pending."""
        self._tasks.close(_CLOSE_SECONDS)

    def _submit(self, batch_id: str) -> None:
        self._tasks.start(batch_id, lambda _, cancel: self._submit_pending(batch_id, cancel))

    def _submit_pending(self, batch_id: str, cancel: threading.Event) -> None:
        batch = self.stored.get(batch_id)
        if batch.user_id == current_user().id:
            self._submit_videos(batch, cancel)
        else:  # an administrator continues it, for its owner
            with as_user(Users(self._store).owner(batch.user_id)):
                self._submit_videos(batch, cancel)

    def _submit_videos(self, batch: Batch, cancel: threading.Event) -> None:
        for index, video in enumerate(batch.videos):
            if video.job_id or video.failure:
                continue
            if cancel.is_set():
                raise Cancelled
            try:
                request = request_for(
                    batch.request, video.path, self._templates, self._planner(), fits=batch.fits_request
                )
                updated = replace(video, job_id=self._jobs.submit(request, name=video.name))
            except StorageError:
                raise
            except AppError as error:
                updated = replace(video, failure=Failure.of(error))
            self.stored.save_video(batch.id, index, updated)


def bundle(batch: Batch, jobs: Jobs, settings: Settings, language: Language) -> Iterator[ReportFile]:
    """Yield the report of each video, then the summary in all formats, which links to them.

    The summary names no folder of this machine and no address of an engine.
    """
    batch, names, results = replace(batch, folder=None, left_out=()), set[str](), []
    for result in results_of(batch, jobs, settings):
        files = {}
        if result.state not in ("failed", "pending") and (analysis := jobs.snapshot(result.video.job_id).analysis):
            stem = unused_name(safe_stem(result.video.name), names)
            files = {_FORMAT: f"{REPORTS}/{stem}{FORMATS[_FORMAT].suffix}"}
            yield from files_of(_FORMAT, analysis, language, files[_FORMAT])
        video = replace(result.video, path=Path(result.video.name))
        results.append(replace(result, video=video, files=files, failure=result.failure and _shareable(result.failure)))
    yield from summary_files(summarise(batch, results), language)


def _shareable(failure: Failure) -> Failure:
    """Return a failure without folders of this machine and addresses of engines."""
    values = {
        name: shareable_value(value) if isinstance(value, str) else value for name, value in failure.values.items()
    }
    return replace(failure, values=values)


def summary_files(summary: Summary, language: Language) -> Iterator[ReportFile]:
    """Yield the summary in all formats."""
    for name, file_name in NAMES.items():
        yield ReportFile(file_name, render(summary, name, language))
