"""Loop over the videos of a batch: submits jobs to the queue, waits for them, and yields events.

It holds only as many jobs in the queue as run at a time, so that a stop leaves no jobs that never started. Everything
else is the queue's: a finished analysis is used again, and an analysis that stopped early is resumed.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from framelens import AppError, ConfigError, InputError
from framelens.plugin.analyses import AnalysisRun, AnalysisUpdate
from framelens.plugin.files import check_file, printable_path
from framelens.plugin.storage import Failure
from framelens.plugins.batch.batch import Batch, BatchVideo, request_for
from framelens.plugins.batch.results import ResultState, concerns_all, failure_of, may_pass, result_state

if TYPE_CHECKING:
    import threading

    from framelens.plugin import Services
    from framelens.plugin.analyses import AnalysisRequest, JobSnapshot
    from framelens.plugins.batch.batch_repository import BatchRepository

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class VideoBegun:
    """The analysis of a video has begun."""

    video: BatchVideo


@dataclass(frozen=True)
class VideoProgress:
    """The analysis of a video has an event."""

    video: BatchVideo
    update: AnalysisUpdate


@dataclass(frozen=True)
class VideoEnded:
    """A video is over, or was stopped.

    Attributes:
        video: The video, with its job or with its failure.
        job: Its job with the pictures, None without a job.
        was_done: Whether it was over before.
        seconds: Time spent on it here.
        failure: Why there is no report or no answer of a model.
        state: What its analysis is, "failed" without a report; None if it was stopped, or met an error that all would.
    """

    video: BatchVideo
    job: JobSnapshot | None = None
    was_done: bool = False
    seconds: float = 0.0
    failure: Failure | None = None
    state: ResultState | None = "failed"

    @property
    def error(self) -> AppError | None:
        """Return why there is no report or no answer of a model."""
        return self.failure.as_error() if self.failure else None


@dataclass(frozen=True)
class BatchHalted:
    """No further video begins, because of an error that all of them would meet; those left are pending."""

    error: AppError


BatchEvent = VideoBegun | VideoProgress | VideoEnded | BatchHalted


@dataclass
class _Active:
    """A video whose analysis waits or runs, and when that began."""

    video: BatchVideo
    run: AnalysisRun
    since: float

    @property
    def seconds(self) -> float:
        """Return the seconds since then."""
        return time.monotonic() - self.since


@dataclass
class BatchLoop:
    """Loop over the videos of a batch.

    Attributes:
        batch: The batch.
        batches: The repository that has it, None to store nothing.
        services: Queue, engine and templates.
        workers: Number of videos at a time, at most as many as the queue has workers.
        cancel: Stops the loop; it ends when all videos have stopped.
        force: Analyse even videos that were analysed in the same way before.
    """

    batch: Batch
    batches: BatchRepository | None
    services: Services
    workers: int
    cancel: threading.Event
    force: bool = False
    _active: list[_Active] = field(default_factory=list)
    _error: AppError | None = None

    def __post_init__(self) -> None:
        """Read what earlier runs of the batch know of its videos."""
        stored = self.batches.videos(self.batch.id) if self.batches else self.batch.videos
        self._indexes = {video.identity: index for index, video in enumerate(stored)}
        self._videos = {video.identity: video for video in stored}

    def run(self, videos: Iterable[BatchVideo | None]) -> Generator[BatchEvent, None, None]:
        """Analyse videos and yield the events of all.

        Args:
            videos: The videos, which needn't belong to the batch yet. None is a moment without another video.

        Raises:
            ConfigError: An option is wrong for all of them.
        """
        waiting: Iterator[BatchVideo | None] | None = iter(videos)
        try:
            while waiting or self._active:
                if self._is_stopping:
                    waiting = None
                    for active in self._active:
                        active.run.cancel()
                over = [active for active in self._active if active.run.is_over]
                self._active = [active for active in self._active if active not in over]
                ended = [(active, self._end(self._result(active))) for active in over]
                while waiting and len(self._active) < self.workers and not self._is_stopping:
                    try:
                        video = next(waiting)
                    except StopIteration:
                        waiting = None
                        break
                    if video is None:
                        break
                    yield self._begin(video)
                for active, event in ended:  # while the next videos run already
                    yield from (VideoProgress(active.video, update) for update in active.run.arrived())
                    yield event
                for active in self._active:
                    yield from (VideoProgress(active.video, update) for update in active.run.arrived())
                time.sleep(_POLL_SECONDS)
        finally:
            AnalysisRun.stop([active.run for active in self._active])
        if self._error:
            yield BatchHalted(self._error)

    def halt(self, error: AppError) -> None:
        """Begin no further video, and stop those that run."""
        self._error = self._error or error

    def all_videos(self) -> list[BatchVideo]:
        """List the videos of this run and of earlier runs."""
        return list(self._videos.values())

    def save(self, video: BatchVideo) -> None:
        """Store a video with its job, its failure and its report files."""
        index = self._indexes.setdefault(video.identity, len(self._indexes))
        self._videos[video.identity] = video
        if self.batches:
            self.batches.save_video(self.batch.id, index, video)

    @property
    def is_busy(self) -> bool:
        """Return whether analyses wait or run."""
        return bool(self._active)

    @property
    def _is_stopping(self) -> bool:
        return self.cancel.is_set() or self._error is not None

    def _begin(self, video: BatchVideo) -> VideoBegun | VideoEnded:
        """Submit or resume the job of a video, unless that isn't needed or not possible."""
        earlier = self._videos.get(video.identity, video)
        video = replace(video, stem=earlier.stem)
        try:
            if video.failure:
                raise video.failure.as_error()
            if failure := self._failed_for_good(earlier):
                ended = replace(video, job_id=earlier.job_id, failure=earlier.failure)
                return self._end(VideoEnded(ended, failure=failure, was_done=True))
            check_file(video.path)
            run = AnalysisRun.begin(
                self.services.jobs, self._request(video), name=printable_path(video.path.name), force=self.force
            )
        except ConfigError:
            raise
        except AppError as error:
            return self._end(VideoEnded(replace(video, failure=Failure.of(error)), failure=Failure.of(error)))
        begun = _Active(replace(video, job_id=run.job_id), run, time.monotonic())
        if run.was_finished:
            return self._end(self._result(begun))
        self._active.append(begun)
        self.save(begun.video)
        return VideoBegun(begun.video)

    def _request(self, video: BatchVideo) -> AnalysisRequest:
        batch, services = self.batch, self.services
        return request_for(batch.request, video.path, services.templates, services.planner, fits=batch.fits_request)

    def _failed_for_good(self, earlier: BatchVideo) -> Failure | None:
        """Return why an earlier run could not analyse a video, None if another attempt may succeed."""
        if self.force or not self._halts:
            return None
        failure = earlier.failure
        if earlier.job_id:
            with suppress(InputError):  # it was deleted
                job = self.services.jobs.brief(earlier.job_id)
                failure = job.failure if job.state == "failed" else None
        return failure if failure and not may_pass(failure.as_error()) else None

    @property
    def _halts(self) -> bool:
        return self.batch.folder is not None

    def _result(self, active: _Active) -> VideoEnded:
        """Return how the job of a video has ended; a job whose file is no video is deleted."""
        job = active.run.result()
        video, failure = active.video, failure_of(job, self.services.settings)
        state = result_state(job, failure, halts=self._halts)
        if job.is_no_video:
            return VideoEnded(replace(video, job_id="", failure=failure), None, False, active.seconds, failure, state)
        return VideoEnded(video, job, active.run.was_finished, active.seconds, failure, state)

    def _end(self, ended: VideoEnded) -> VideoEnded:
        """Store how a video has ended, and return it; an error that all would meet halts the loop and is no result."""
        if self._halts and ended.error and concerns_all(ended.error):
            self.halt(ended.error)
            ended = replace(ended, state=None, video=replace(ended.video, failure=None))
        self.save(ended.video)
        return ended
