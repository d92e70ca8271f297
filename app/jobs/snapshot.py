"""How a job stands: a frozen value, folded from the events of its analysis, and its form in the store."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import Literal

import psutil
from pydantic import TypeAdapter

from app import errors
from app.domain import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    AnswerDelta,
    ChunkDone,
    ChunkResult,
    DecodeSummary,
    EngineProgress,
    FactsMeasured,
    Finished,
    FrameFacts,
    Keyframe,
    KeyframeFound,
    KeyframesChosen,
    ModeChosen,
    Notice,
    Noticed,
    Probed,
    Stage,
    StageStarted,
    SurveyProgress,
    VideoInfo,
)
from app.errors import AppError
from app.store.store import Row

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class Failure:
    """An AppError as it is stored."""

    kind: str
    key: str
    values: dict[str, str]

    @classmethod
    def of(cls, error: AppError) -> Failure:
        return cls(type(error).__name__, error.key, {name: str(value) for name, value in error.values.items()})

    def as_error(self) -> AppError:
        kind = getattr(errors, self.kind, AppError)
        error: AppError = kind.__new__(kind)
        AppError.__init__(error, self.key, **self.values)
        return error


@dataclass(frozen=True)
class JobSnapshot:
    """How a job stands at one moment. `found` are provisional frames; chunk 0 of `answers` is the summary."""

    id: str
    name: str
    created: str
    request: AnalysisRequest
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
    stage_since: float = 0.0  # time.monotonic() of the process that runs it

    @property
    def error(self) -> AppError | None:
        return self.failure.as_error() if self.failure else None

    @property
    def is_over(self) -> bool:
        return self.state not in ("queued", "running")


def fold(job: JobSnapshot, event: AnalysisEvent) -> JobSnapshot:
    """The snapshot after one more event."""
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
            )
        case Probed(video):
            return replace(job, video=video)
        case SurveyProgress(seconds, duration):
            if job.stage != "survey":
                return job
            total = int(duration) + 1 if duration else None
            return replace(job, step=int(seconds), total=total, eta_seconds=_eta(job, seconds, duration))
        case KeyframeFound(keyframe):
            return replace(job, found=(*job.found, keyframe))
        case KeyframesChosen(keyframes, decode):
            return replace(job, keyframes=keyframes, decode=decode, eta_seconds=None)
        case FactsMeasured(facts):
            return _stepped(replace(job, facts=(*job.facts, facts)), "facts", len(job.facts) + 1)
        case EngineProgress():
            return replace(job, engine_phase=event)
        case ModeChosen(chunk):
            return replace(job, modes={**job.modes, chunk: event})
        case AnswerDelta(chunk, text, restart):
            before = "" if restart else job.answers.get(chunk, "")
            return replace(job, answers={**job.answers, chunk: before + text})
        case ChunkDone(result):
            return _stepped(replace(job, chunks=(*job.chunks, result)), "ask", len(job.chunks) + 1)
        case Noticed(notice):
            return job if notice in job.notices else replace(job, notices=(*job.notices, notice))
        case Finished(analysis):
            return replace(job, analysis=analysis, notices=analysis.notices, eta_seconds=None)


def _stepped(job: JobSnapshot, stage: Stage, step: int) -> JobSnapshot:
    return replace(job, step=step, eta_seconds=_eta(job, step, job.total)) if job.stage == stage else job


def _eta(job: JobSnapshot, done: float, total: float | None) -> float | None:
    """Seconds left of this stage at its speed so far; None before there is anything to judge by."""
    elapsed = time.monotonic() - job.stage_since
    return elapsed * (total - done) / done if total and 0 < done <= total and elapsed > 0.5 else None


_ADAPTER = TypeAdapter(JobSnapshot)


def to_row(job: JobSnapshot) -> Row:
    """The job as it is stored by this process; its pictures are stored beside it."""
    document = _ADAPTER.dump_json(with_pictures(replace(job, found=()), {})).decode()
    return Row(job.id, job.created, job.name, job.state, os.getpid(), document)


def from_row(row: Row) -> JobSnapshot:
    """The stored job, without pictures; one that was at work in a process that is gone is interrupted."""
    job = _ADAPTER.validate_json(row.document)
    gone = not job.is_over and (row.owner_pid == os.getpid() or not psutil.pid_exists(row.owner_pid))
    return replace(job, state="interrupted") if gone else job


def with_pictures(job: JobSnapshot, pictures: dict[int, bytes]) -> JobSnapshot:
    """The job with the JPEGs of its keyframes put in by number."""

    def filled(frames: tuple[Keyframe, ...]) -> tuple[Keyframe, ...]:
        return tuple(replace(frame, jpeg=pictures.get(frame.number, b"")) for frame in frames)

    analysis = job.analysis and replace(job.analysis, keyframes=filled(job.analysis.keyframes))
    return replace(job, keyframes=filled(job.keyframes), analysis=analysis)
