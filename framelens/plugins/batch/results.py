"""Results of a batch, read from the jobs of its videos: states, rows of the summary, and which errors are final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from framelens import AppError, EngineBusy, EngineError, EngineTimeout, ImageRejected, StorageError, VideoError
from framelens.plugin.analyses import AT_WORK, Outcome, State, is_expected
from framelens.plugin.engines import RequestTooLarge
from framelens.plugin.reports import FORMATS
from framelens.plugin.storage import Failure
from framelens.plugins.batch.batch import Batch, BatchVideo

if TYPE_CHECKING:
    from framelens.plugin import Settings
    from framelens.plugin.analyses import Jobs, JobSnapshot
    from framelens.plugin.storage import LibraryEntry

ResultState = Outcome | Literal["failed"]
WORKING = tuple(state for state in AT_WORK if state != "queued")
RESULT_STATES: tuple[ResultState, ...] = (*get_args(Outcome), "failed")
VideoState = State | Literal["pending"]
REPORTS = "reports"
"""Folder of the reports in the folder of results."""
_MAY_PASS = frozenset(
    (
        *("video_not_found", "video_no_permission", "video_read_failed"),
        *("video_probe_timeout", "video_decoder_stuck", "video_out_of_memory"),
    )
)
"""Errors about a video that another attempt may not meet: they are about its disk or this machine."""
_ABOUT_ONE_VIDEO = frozenset(
    (
        *("engine_garbage", "engine_empty_answer", "engine_reasoned", "engine_broke_off", "engine_refused"),
        *(
            "engine_failed",
            "engine_crashed",
            "engine_killed",
            "engine_hung",
            "engine_filtered",
            "no_usable_answer",
            "ray_video_lost",
        ),
    )
)
"""Errors of an engine that the next video may not meet, besides the classes of `concerns_all`."""


def may_pass(error: AppError) -> bool:
    """Return whether another attempt may succeed: errors about the file itself stay, others may not."""
    return not isinstance(error, VideoError) or error.key in _MAY_PASS


def concerns_all(error: AppError) -> bool:
    """Return whether all other videos would meet this error, too: no engine, no model, a full disk."""
    if isinstance(error, StorageError):
        return True
    of_one = (RequestTooLarge, ImageRejected, EngineTimeout, EngineBusy)
    return isinstance(error, EngineError) and not (isinstance(error, of_one) or error.key in _ABOUT_ONE_VIDEO)


def failure_of(job: JobSnapshot, settings: Settings) -> Failure | None:
    """Return why a job has no report or no answer of a model; None if no model was named and none is available."""
    return job.failure if job.error and not is_expected(job.error, settings) else None


def result_state(job: JobSnapshot, failure: Failure | None, *, halts: bool) -> ResultState | None:
    """Return the result of a job, None while it has none.

    Args:
        job: The job.
        failure: What `failure_of` returns for it.
        halts: An error that all videos would meet is no result.
    """
    error = failure.as_error() if failure else None
    if job.state not in RESULT_STATES or (halts and error and concerns_all(error)):
        return None
    return "failed" if error and not isinstance(error, EngineError) else job.state


# ---- states ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VideoStatus:
    """State of a video of a batch; "pending" if its analysis wasn't begun.

    Attributes:
        entry: Its analysis as the library lists it, if it was begun.
    """

    video: BatchVideo
    state: VideoState
    entry: LibraryEntry | None = None

    @property
    def is_over(self) -> bool:
        """Return whether it neither waits nor runs, and all facts are measured."""
        return self.state not in (*AT_WORK, "pending")

    @property
    def has_stopped(self) -> bool:
        """Return whether its analysis ended early or has no answer, and can be resumed."""
        stopped = ("failed", "cancelled", "interrupted", "paused", "incomplete", "model_failed", "no_usable_answer")
        return bool(self.video.job_id) and self.state in stopped


def status_of(batch: Batch, jobs: Jobs) -> list[VideoStatus]:
    """Return the state of each video, in their order; an analysis that was deleted is left out."""
    entries = {entry.id: entry for entry in jobs.library.entries(video.job_id for video in batch.videos)}
    statuses = []
    for video in batch.videos:
        if not video.job_id:
            statuses.append(VideoStatus(video, "failed" if video.failure else "pending"))
        elif entry := entries.get(video.job_id):
            statuses.append(VideoStatus(video, jobs.state_of(entry), entry))
    return statuses


def counts_of(statuses: Iterable[VideoStatus]) -> dict[str, int]:
    """Count the videos by their states; describing and measuring are parts of running."""
    return dict(Counter("running" if status.state in WORKING else status.state for status in statuses))


# ---- rows of the summary ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VideoResult:
    """Row of a summary.

    Attributes:
        state: What its analysis is, "failed" without a report, "pending" without a result.
        title: The model's description in a few words, "" without a description.
        model: The model that has answered, "" if no model has.
        duration_seconds: Length of the video, if known.
        seconds: Time spent on its analysis.
        failure: Why there is no report, or why it has no answer of a model.
        files: Report files by format, relative to the summary, with "/".
    """

    video: BatchVideo
    state: ResultState | Literal["pending"]
    title: str = ""
    num_findings: int = 0
    model: str = ""
    duration_seconds: float | None = None
    seconds: float = 0.0
    failure: Failure | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def error(self) -> AppError | None:
        """Return why there is no report, or why it has no answer of a model."""
        return self.failure.as_error() if self.failure else None


def result_of(status: VideoStatus, batch: Batch, jobs: Jobs, settings: Settings) -> VideoResult:
    """Return the result of a video, from its job and from the report files that are there."""
    video, entry = status.video, status.entry
    if entry is None:
        return VideoResult(video, "failed" if video.failure else "pending", failure=video.failure)
    job = jobs.brief(entry.id)
    failure = failure_of(job, settings)
    state = result_state(job, failure, halts=batch.folder is not None)
    if state is None or state == "failed":
        return VideoResult(video, state or "pending", failure=failure if state else None)
    return VideoResult(
        video,
        state,
        entry.title or title_of(jobs, entry),
        entry.num_findings,
        entry.model,
        entry.seconds,
        sum(job.progress.seconds_by_stage.values()),
        failure,
        report_files(video, batch),
    )


def results_of(batch: Batch, jobs: Jobs, settings: Settings) -> list[VideoResult]:
    """Return the results of the videos, in their order."""
    return [result_of(status, batch, jobs, settings) for status in status_of(batch, jobs)]


def title_of(jobs: Jobs, entry: LibraryEntry) -> str:
    """Return the first statement of a report that has no headline; reading it takes a while."""
    analysis = jobs.snapshot(entry.id).analysis if entry.state in ("done", "incomplete") else None
    return analysis.brief if analysis else ""


def report_files(video: BatchVideo, batch: Batch) -> dict[str, str]:
    """Return the report files of a video that are there, by format."""
    if not (batch.folder and video.stem):
        return {}
    names = {name: f"{REPORTS}/{video.stem}{FORMATS[name].suffix}" for name in batch.formats}
    return {name: file for name, file in names.items() if (batch.folder / file).is_file()}
