"""Snapshot of a job: a frozen value folded from the events of its analysis, and its form in the store."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from app.analysis import facts_incomplete, have_same_settings
from app.core import (
    UNKNOWN_PATH,
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    AnswerDelta,
    Answered,
    AppError,
    ChunkDone,
    ChunkResult,
    DecodeSummary,
    EngineError,
    EngineProgress,
    FactsMeasured,
    Finished,
    FrameFacts,
    Heard,
    Keyframe,
    KeyframeFound,
    KeyframesChosen,
    Layout,
    ModeChosen,
    Notice,
    Noticed,
    OpeningChosen,
    Planned,
    Probed,
    Stage,
    StageStarted,
    SurveyProgress,
    Transcript,
    VideoInfo,
    errors,
    restored,
    shown_name,
    storable,
)
from app.store import Row

_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
State = Literal[
    "queued", "running", "measuring", "paused", "done", "without_model", "failed", "cancelled", "interrupted"
]
"""In "measuring" the report is there, and the facts of some of its frames are still being measured."""
_AT_WORK = ("queued", "running", "measuring")
_MODEL_ERRORS = ("model_disk_full", "model_cache_unwritable")


@dataclass(frozen=True)
class Failure:
    """Stored form of an AppError."""

    kind: str
    key: str
    values: dict[str, str]

    @classmethod
    def of(cls, error: AppError) -> Failure:
        """Build the stored form of an error."""
        return cls(type(error).__name__, error.key, {name: str(value) for name, value in error.values.items()})

    def as_error(self) -> AppError:
        """Return the error with its original class, or as a plain AppError if that class no longer exists."""
        kind = getattr(errors, self.kind, AppError)
        error: AppError = kind.__new__(kind)
        AppError.__init__(error, self.key, **self.values)
        return error


@dataclass(frozen=True)
class JobSnapshot:
    """State of a job at one moment.

    Attributes:
        follows: Id of the job whose report led to this one, "" for none.
        found: Provisional frames.
        answers: Text of the answers by the number of the chunk's first frame; 0 is the summary.
        stage_since: `time.monotonic()` of the process that runs it, when the stage began; for a survey, when it first
            reported progress.
        survey_from: Position of that first progress in seconds of the video.
        conditions: Settings that the job was started with and that its answers depend on.
        interruptions: How often the program ended while the job ran.
        again: Numbers of the stored answers that are to be replaced.
    """

    id: str
    name: str
    created: str
    request: AnalysisRequest
    follows: str = ""
    state: State = "queued"
    stage: Stage | None = None
    step: int = 0
    total: int | None = None
    eta_seconds: float | None = None
    video: VideoInfo | None = None
    found: tuple[Keyframe, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    decode: DecodeSummary | None = None
    facts: tuple[FrameFacts, ...] = ()
    modes: dict[int, ModeChosen] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)
    chunks: tuple[ChunkResult, ...] = ()
    engine_phase: EngineProgress | None = None
    notices: tuple[Notice, ...] = ()
    failure: Failure | None = None
    analysis: Analysis | None = None
    stage_since: float = 0.0
    survey_from: float | None = None
    layout: Layout | None = None
    transcript: Transcript | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    interruptions: int = 0
    again: tuple[int, ...] = ()

    @property
    def error(self) -> AppError | None:
        """Return the error that ended the job, or None."""
        return self.failure.as_error() if self.failure else None

    @property
    def is_over(self) -> bool:
        """Return whether the job neither waits nor runs."""
        return self.state not in _AT_WORK

    @property
    def is_readable(self) -> bool:
        """Return whether the page shows the job as a (possibly partial) report rather than as work in progress."""
        return self.is_over or self.state == "measuring"

    @property
    def is_imported(self) -> bool:
        """Return whether the job is a report imported from another machine, so that its video is not here."""
        return self.request.path == UNKNOWN_PATH

    @property
    def can_resume(self) -> bool:
        """Return whether the job stopped early, or no model answered although one was requested."""
        if self.is_imported or (self.state == "without_model" and not self.request.use_model):
            return False
        return self.state in ("paused", "without_model", "failed", "cancelled", "interrupted")

    @property
    def is_complete(self) -> bool:
        """Return whether the report has everything that was requested; facts may still follow."""
        return self.state in ("done", "measuring") or (self.state == "without_model" and not self.can_resume)

    @property
    def is_without_model(self) -> bool:
        """Return whether the report contains only measurements.

        Valid for a snapshot with its results (`Jobs.snapshot`) only: for jobs that earlier versions stored as failed it
        is derived from them.
        """
        return self.state == "without_model" or (self.state == "failed" and final_state(self, self.error) != "failed")

    @property
    def results(self) -> tuple[ChunkResult, ...]:
        """Return all answers, merged ones included, in the order of their numbers."""
        return tuple(sorted(self.chunks, key=lambda result: result.number))

    @property
    def lacks_only_facts(self) -> bool:
        """Return whether everything is answered, but the last run ended before every frame was measured."""
        return self.analysis is not None and _are_pending(self.analysis.notices) and not self.again

    def restarted(self) -> JobSnapshot:
        """Return the snapshot reset for another run: answers are kept, everything else that the run reports is not."""
        if self.lacks_only_facts:
            return replace(self, state="measuring", failure=None)
        return replace(
            self,
            state="queued",
            analysis=self.analysis and replace(self.analysis, notices=_without_pending(self.analysis.notices)),
            stage=None,
            step=0,
            total=None,
            eta_seconds=None,
            found=(),
            facts=(),
            modes={},
            answers={},
            engine_phase=None,
            notices=(),
            failure=None,
        )


def fold(job: JobSnapshot, event: AnalysisEvent) -> JobSnapshot:
    """Return the snapshot after one more event."""
    match event:
        case StageStarted(stage, total):
            same = stage == job.stage
            return replace(
                job,
                stage=stage,
                total=total,
                step=job.step if same else 0,
                eta_seconds=None,
                stage_since=job.stage_since if same else time.monotonic(),
                survey_from=None,
            )
        case Probed(video):
            return replace(job, video=video)
        case SurveyProgress(seconds, duration):
            if job.stage != "survey":
                return job
            return _surveyed(job, seconds, duration)
        case KeyframeFound(keyframe):
            return replace(job, found=(*job.found, keyframe))
        case OpeningChosen(keyframes):
            return replace(job, keyframes=keyframes)
        case Heard(transcript):
            return replace(job, transcript=transcript)
        case Planned(layout):
            return replace(job, layout=layout)
        case KeyframesChosen(keyframes, decode):
            return replace(job, keyframes=keyframes, decode=decode, eta_seconds=None)
        case FactsMeasured(facts):
            return _measured(job, facts)
        case EngineProgress():
            return replace(job, engine_phase=event)
        case ModeChosen(chunk):
            return replace(job, modes={**job.modes, chunk: event})
        case AnswerDelta(chunk, text, restart):
            before = "" if restart else job.answers.get(chunk, "")
            return replace(job, answers={**job.answers, chunk: before + text})
        case ChunkDone(result):
            return _answered(job, result)
        case Noticed(notice):
            return job if notice in job.notices else replace(job, notices=(*job.notices, notice))
        case Answered(analysis):
            job = replace(job, state="measuring", analysis=analysis, chunks=analysis.requests)
            return replace(job, notices=analysis.notices, step=len(job.facts))
        case Finished(analysis):
            job = replace(job, facts=analysis.facts)
            return replace(job, analysis=analysis, chunks=analysis.requests, notices=analysis.notices, eta_seconds=None)


def _measured(job: JobSnapshot, facts: FrameFacts) -> JobSnapshot:
    """Add the facts of one frame, to the report too where there is one already."""
    by_number = {**{one.number: one for one in job.facts}, facts.number: facts}
    known = tuple(by_number[number] for number in sorted(by_number))
    analysis = job.analysis
    if analysis and job.state == "measuring":
        analysis = replace(analysis, facts=known)
    return _stepped(replace(job, facts=known, analysis=analysis), "facts", len(known))


def without_missing_facts(job: JobSnapshot, error: AppError) -> JobSnapshot:
    """Return a job in "measuring" without the facts that `error` prevents; its report says that they are missing."""
    notices = (*_without_pending(job.notices), facts_incomplete(error))
    return replace(job, notices=notices, analysis=job.analysis and replace(job.analysis, notices=notices))


def _are_pending(notices: Sequence[Notice]) -> bool:
    return any(notice.key == "facts_pending" for notice in notices)


def _without_pending(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    return tuple(notice for notice in notices if notice.key != "facts_pending")


def _answered(job: JobSnapshot, result: ChunkResult) -> JobSnapshot:
    others = [one for one in job.chunks if one.number != result.number and have_same_settings(one, result)]
    if result.number <= 0:
        return with_results(job, (*others, result))
    if any(one.number == result.number and one != result for one in job.chunks):
        others = [one for one in others if one.number > 0]  # merged answers rest on the previous one
    again = tuple(number for number in job.again if number != result.number)
    job = with_results(replace(job, again=again), (*others, result))
    return _stepped(job, "ask", sum(one.number in job.answers for one in job.chunks if one.number > 0))


def _surveyed(job: JobSnapshot, seconds: float, duration: float | None) -> JobSnapshot:
    """Return the snapshot after a progress report of the survey.

    Its speed is measured from the first report: the time before that is the start of the decoder, which would make
    seconds look like minutes for a short video.
    """
    job = replace(job, step=int(seconds), total=max(1, int(duration)) if duration else None)
    if job.survey_from is None:
        return replace(job, stage_since=time.monotonic(), survey_from=seconds)
    left = duration - job.survey_from if duration else None
    return replace(job, eta_seconds=_eta(job, seconds - job.survey_from, left))


def _stepped(job: JobSnapshot, stage: Stage, step: int) -> JobSnapshot:
    return replace(job, step=step, eta_seconds=_eta(job, step, job.total)) if job.stage == stage else job


def _eta(job: JobSnapshot, done: float, total: float | None) -> float | None:
    """Return the seconds left of this stage at its speed so far; None in its first half second."""
    elapsed = time.monotonic() - job.stage_since
    return elapsed * (total - done) / done if total and 0 < done <= total and elapsed > 0.5 else None


def final_state(job: JobSnapshot, error: AppError | None) -> State:
    """Return the state of a run that ended with this error, or without one."""
    is_about_model = isinstance(error, EngineError) or (error is not None and error.key in _MODEL_ERRORS)
    if error is not None and not is_about_model:
        return "failed"
    if job.analysis is not None and job.analysis.mode == "none":
        return "without_model"
    return "failed" if error else "done"


_ADAPTER = TypeAdapter(JobSnapshot)
_RESULT = TypeAdapter(ChunkResult)


def to_row(job: JobSnapshot, owner: str, same: str = "") -> Row:
    """Build the row of a job that belongs to the process `owner`; images and results are stored in other tables."""
    bare = _with_paths(with_pictures(with_results(replace(job, found=()), ()), {}), storable)
    return Row(job.id, job.created, job.name, job.state, owner, _ADAPTER.dump_json(bare).decode(), job.priority, same)


def from_row(row: Row, *, is_alive: bool) -> JobSnapshot:
    """Build the job of a row, without images and results.

    Args:
        row: The stored job.
        is_alive: Whether the process that owns it is running; an unfinished job of one that is gone is interrupted.

    Raises:
        ValueError: The stored document is damaged.
    """
    job = _with_paths(_ADAPTER.validate_json(row.document), restored)
    return job if job.is_over or is_alive else replace(job, state="interrupted")


def _with_paths(job: JobSnapshot, changed: Callable[[Path], Path]) -> JobSnapshot:
    """Return the job with `changed` applied to every path of its video."""

    def request(one: AnalysisRequest) -> AnalysisRequest:
        return replace(one, path=changed(one.path))

    def video(one: VideoInfo) -> VideoInfo:
        return replace(one, path=changed(one.path))

    if changed(job.request.path) == job.request.path:
        return job
    analysis = job.analysis and replace(
        job.analysis, request=request(job.analysis.request), video=video(job.analysis.video)
    )
    return replace(job, request=request(job.request), video=job.video and video(job.video), analysis=analysis)


def imported_job(analysis: Analysis) -> JobSnapshot:
    """Build a finished job from a report of another machine. Its id and time are kept if they are valid here."""
    job_id = analysis.id if _ID.fullmatch(analysis.id) else secrets.token_urlsafe(9)
    analysis = replace(analysis, id=job_id, request=replace(analysis.request, path=UNKNOWN_PATH))
    return JobSnapshot(
        id=job_id,
        name=shown_name(analysis.video.name),
        created=_time_or_now(analysis.created),
        request=analysis.request,
        state="without_model" if analysis.mode == "none" else "done",
        video=analysis.video,
        keyframes=analysis.keyframes,
        decode=analysis.decode,
        facts=analysis.facts,
        chunks=analysis.requests,
        notices=analysis.notices,
        analysis=analysis,
        layout=analysis.layout,
        transcript=analysis.transcript,
        conditions=dict(analysis.conditions),
    )


def _time_or_now(text: str) -> str:
    """Return the time in ISO form and UTC, which jobs are ordered by; the current time if the text is not a time."""
    try:
        time_of_day = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        time_of_day = datetime.now(UTC)
    return time_of_day.isoformat(timespec="milliseconds")


def result_to_text(result: ChunkResult) -> str:
    """Return the stored form of a result."""
    return _RESULT.dump_json(result).decode()


def result_from_text(text: str) -> ChunkResult:
    """Parse the stored form of a result.

    Raises:
        ValueError: The text is damaged.
    """
    return _RESULT.validate_json(text)


def with_results(job: JobSnapshot, results: Sequence[ChunkResult]) -> JobSnapshot:
    """Return the job, and its analysis, with these results."""
    in_order = sorted(results, key=lambda result: result.number)
    parts = tuple(result for result in in_order if result.number > 0)
    joins = tuple(result for result in in_order if result.number < 0)
    summary = next((result for result in results if result.number == 0), None)
    analysis = job.analysis and replace(job.analysis, chunks=parts, joins=joins, summary=summary)
    return replace(job, chunks=tuple(results), analysis=analysis)


def with_pictures(job: JobSnapshot, pictures: dict[int, bytes]) -> JobSnapshot:
    """Return the job with these JPEGs, by number, in its keyframes."""

    def filled(frames: tuple[Keyframe, ...]) -> tuple[Keyframe, ...]:
        return tuple(replace(frame, jpeg=pictures.get(frame.number, b"")) for frame in frames)

    analysis = job.analysis and replace(job.analysis, keyframes=filled(job.analysis.keyframes))
    return replace(job, keyframes=filled(job.keyframes), analysis=analysis)
