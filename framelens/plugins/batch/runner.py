"""Runner of a batch on this machine: several videos at a time through the queue, as an iterator of events.

`BatchRunner.analyse` takes a video from its file to its stored result; another runner may call it in a process of its
own.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.background_task import in_thread
from framelens.core.codec import Failure
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.errors import (
    AppError,
    Cancelled,
    EngineBusy,
    EngineError,
    EngineTimeout,
    ImageRejected,
    RequestTooLarge,
    StorageError,
    VideoError,
    as_app_error,
)
from framelens.jobs.analyses import AnalysisRun, is_expected, is_no_video, raise_without_report, start_run
from framelens.plugins.batch.batch import Batch, BatchVideo, request_for
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.results import Results, VideoResult
from framelens.reports.files import written
from framelens.reports.formats import FORMATS, files_of
from framelens.store.fs_utils import storage_errors
from framelens.video.files import check_file, printable_path
from framelens.video.subtitles.discovery import digest_beside

if TYPE_CHECKING:
    from framelens.analysis.prompts.templates import Templates
    from framelens.config import Settings
    from framelens.jobs.engine_session import EngineSession
    from framelens.jobs.engine_switcher import EngineSwitcher
    from framelens.jobs.queue import Jobs
    from framelens.jobs.snapshot import JobSnapshot

V = TypeVar("V")
R = TypeVar("R")
Listener = Callable[[AnalysisUpdate], None]
Analyse = Callable[[V, Listener, threading.Event], R]
log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_STOP_SECONDS = 15.0
"""How long to wait for the running videos to stop; a job does within a second."""
_ABOUT_ONE_VIDEO = frozenset(
    (
        *(
            "engine_garbage",
            "engine_empty_answer",
            "engine_reasoned",
            "engine_broke_off",
            "engine_refused",
            "engine_failed",
        ),
        *("engine_crashed", "engine_killed", "engine_hung", "engine_filtered", "no_usable_answer"),
    )
)
"""Errors of an engine that the next video may not meet, besides the classes of `concerns_all`."""


@dataclass(frozen=True)
class VideoBegun(Generic[V]):
    """A video has begun."""

    video: V


@dataclass(frozen=True)
class VideoProgress(Generic[V]):
    """The analysis of a video has an event."""

    video: V
    update: AnalysisUpdate


@dataclass(frozen=True)
class VideoEnded(Generic[V, R]):
    """A video is over; `was_done` if its result was there before."""

    video: V
    result: R
    was_done: bool = False


@dataclass(frozen=True)
class VideoStopped(Generic[V]):
    """A video was stopped, such as on the page while a command runs: it stays pending, and the run continues."""

    video: V


@dataclass(frozen=True)
class BatchHalted:
    """No further video begins, because of an error that all of them would meet; those left are pending."""

    error: AppError


BatchEvent = VideoBegun[V] | VideoProgress[V] | VideoEnded[V, R] | VideoStopped[V] | BatchHalted


def concerns_all(error: AppError) -> bool:
    """Return whether all other videos would meet this error, too: no engine, no model, a full disk."""
    if isinstance(error, StorageError):
        return True
    of_one = (RequestTooLarge, ImageRejected, EngineTimeout, EngineBusy)
    return isinstance(error, EngineError) and not (isinstance(error, of_one) or error.key in _ABOUT_ONE_VIDEO)


@dataclass(frozen=True)
class BatchRunner:
    """Runner of batches in this process.

    Attributes:
        jobs: The queue, with at least as many workers as videos are analysed at a time.
        switcher: The engine in use.
        templates: The templates.
    """

    jobs: Jobs
    switcher: EngineSwitcher[EngineSession]
    templates: Templates

    def analyse(
        self,
        video: BatchVideo,
        batch: Batch,
        *,
        cancel: threading.Event | None = None,
        listener: Listener = lambda update: None,
    ) -> VideoResult:
        """Analyse a video as `framelens analyse` does, and store its reports and, last, its result.

        An analysis that stopped early is resumed; a stored analysis is used again.

        Args:
            video: The video.
            batch: Its batch.
            cancel: Stops the analysis.
            listener: Called with every update, in this thread.

        Returns:
            The result, which may be a failure.

        Raises:
            Cancelled: `cancel` was set; what has been answered is kept in the store.
            AppError: An error that the other videos would meet, too (`concerns_all`). No result was stored: the video
                is still pending.
        """
        since, results, stored = time.monotonic(), Results(batch), None
        session = self.switcher.session
        subtitles = digest_beside(video.path)
        try:
            check_file(video.path)
            request = request_for(batch.request, video.path, self.templates, session.planner, fits=batch.fits_request)
            run = followed_run(self.jobs, request, listener, cancel or threading.Event(), force=batch.repeats)
            stored = run.result()
            _raise_if_pending(stored, session.settings)
            analysis, failure, files = stored.analysis, _failure_of(stored, session.settings), {}
            assert analysis
            if analysis.sha256 and analysis.sha256 != video.key:
                raise VideoError("video_changed_in_batch", name=video.name)
            files = _write_reports(video, analysis, batch, results)
        except Cancelled:
            raise
        except AppError as error:
            if concerns_all(error):
                raise
            analysis, failure, files = None, Failure.of(error), {}
            if stored and is_no_video(stored):  # it was deleted
                stored = None
        result = VideoResult(
            video.key,
            video.name,
            video.path,
            batch.fingerprint,
            "failed" if analysis is None else analysis.outcome,
            seconds=time.monotonic() - since,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            job_id=stored.id if stored else "",
            failure=failure,
            files=files,
            duration_seconds=analysis.decode.readable_seconds if analysis else None,
            subtitles=subtitles,
        )
        results.save(result, analysis)
        return result

    def run(
        self,
        batch: Batch,
        arriving: Iterable[BatchVideo] = (),
        *,
        workers: int,
        cancel: threading.Event,
    ) -> Iterator[BatchEvent[BatchVideo, VideoResult]]:
        """Analyse the videos of a batch that have no final result yet, and yield the events of all.

        Args:
            batch: The batch.
            arriving: More videos; the iterator may wait for the next video. A video with a final result has no event.
            workers: Number of videos at a time.
            cancel: Stops the run; the iterator ends when all videos have stopped.

        Raises:
            StorageError: The folder of results can't be read.
        """
        results = Results(batch)

        def is_missing(video: BatchVideo) -> bool:
            return not results.finished(replace(batch, videos=(video,)))

        def analyse_video(video: BatchVideo, listener: Listener, stop: threading.Event) -> VideoResult:
            return self.analyse(video, batch, cancel=stop, listener=listener)

        done = results.finished(batch)
        for video in batch.videos:
            if video.key in done:
                yield VideoEnded(video, done[video.key], was_done=True)
        waiting = chain((one for one in batch.videos if one.key not in done), filter(is_missing, arriving))
        yield from run_videos(waiting, analyse_video, workers=workers, cancel=cancel)


def followed_run(
    jobs: Jobs, request: AnalysisRequest, listener: Listener, cancel: threading.Event, *, force: bool
) -> AnalysisRun:
    """Start, resume or find the analysis of a video, as `start_run` does, and return it when it is over.

    Args:
        jobs: The queue.
        request: The analysis.
        listener: Called with every update, in this thread.
        cancel: Stops the analysis.
        force: As in `start_run`, which documents the errors.
    """
    run = start_run(jobs, request, name=printable_path(request.path.name), force=force)
    for update in run.updates(cancel):
        listener(update)
    return run


def _raise_if_pending(job: JobSnapshot, settings: Settings) -> None:
    """Raise the error of a job if it has no report, or if the error leaves the video pending despite a report."""
    raise_without_report(job)
    if job.error and concerns_all(job.error) and not is_expected(job.error, settings):
        raise job.error


def _failure_of(job: JobSnapshot, settings: Settings) -> Failure | None:
    """Return why no model gave an answer; None if a model did, or if no model was named and no model is available."""
    is_fine = job.error is None or is_expected(job.error, settings)
    return None if is_fine else job.failure


def _write_reports(video: BatchVideo, analysis: Analysis, batch: Batch, results: Results) -> dict[str, str]:
    """Write the report files that have any content and return their names by format. Raises StorageError."""
    stem, made = results.report_name(video), {}
    for name in batch.formats:
        form = FORMATS[name]
        if not form.fits(analysis):
            continue
        made[name] = f"{stem}{form.suffix}"
        path = results.folder / made[name]
        with storage_errors("report_not_written", path):
            for _ in written(files_of(name, analysis, batch.request.language, path.name), path.parent):
                pass
    return made


def recorded(
    events: Iterable[BatchEvent[BatchVideo, VideoResult]], batch: Batch, batches: BatchRepository
) -> Iterator[BatchEvent[BatchVideo, VideoResult]]:
    """Yield the events of a run, and store the job or failure of each video, for the page.

    Args:
        events: Events of this machine or of a cluster.
        batch: The batch, as it is stored; videos that have arrived since then are added.
        batches: The repository that stores it.

    Raises:
        StorageError: The disk refuses.
    """
    places = {one.key: place for place, one in enumerate(batch.videos)}
    for event in events:
        if isinstance(event, VideoEnded):
            video, result = event.video, event.result
            failure = None if result.job_id else result.failure
            place = places.setdefault(video.key, len(places))
            batches.save_video(batch.id, place, replace(video, job_id=result.job_id, failure=failure))
        yield event


def run_videos(
    videos: Iterable[V], analyse: Analyse[V, R], *, workers: int, cancel: threading.Event
) -> Iterator[BatchEvent[V, R]]:
    """Call `analyse(video, listener, cancel)` for each video, several at a time, and yield the events of all.

    An error of `analyse` halts the run: the other running videos are stopped, and no waiting video begins.

    Args:
        videos: The videos; the iterator may wait for the next video.
        analyse: Returns the result of a video, or raises an AppError.
        workers: Number of threads.
        cancel: Stops the run. An iterator that waits must end then, too.
    """
    arrived: queue.SimpleQueue[BatchEvent[V, R] | None] = queue.SimpleQueue()
    waiting, taking, stop = iter(videos), threading.Lock(), threading.Event()

    def analyse_one(video: V) -> None:
        def listener(update: AnalysisUpdate) -> None:
            arrived.put(VideoProgress(video, update))

        arrived.put(VideoBegun(video))
        try:
            arrived.put(VideoEnded(video, analyse(video, listener, stop)))
        except Cancelled:
            arrived.put(VideoStopped(video))

    def work() -> None:
        while not (stop.is_set() or cancel.is_set()):
            with taking:
                taken = list(islice(waiting, 1))
            if not taken:
                return
            analyse_one(taken[0])

    def run() -> None:
        try:
            work()
        except Exception as error:
            log.exception("the batch was halted")
            stop.set()
            arrived.put(BatchHalted(as_app_error(error)))
        finally:
            arrived.put(None)

    threads = [in_thread(f"batch-{number}", run) for number in range(workers)]
    left = len(threads)
    try:
        while left:
            if cancel.is_set():
                stop.set()
            try:
                event = arrived.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                left -= 1
            else:
                yield event
    finally:
        stop.set()
        wait(threads, timeout=_STOP_SECONDS)
