"""Snapshot of a job: a frozen value with the state of its analysis, and its form in the store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, TypeVar

from framelens.analysis.planning.frame_budget import SURELY_ONE_PART
from framelens.analysis.task import facts_incomplete
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate, in_order
from framelens.core.codec import Failure, from_builtins, to_json
from framelens.core.corrections import Correction
from framelens.core.domain import UNKNOWN_PATH, Analysis, AnalysisRequest, ChunkResult, Notice
from framelens.core.errors import AppError, Cancelled, EngineError, VideoError
from framelens.core.events import AnswerChanged, Answered, AnswerStep, ChunkDone, Finished, Stage
from framelens.core.files import new_id, single_line
from framelens.core.roles import current_user
from framelens.core.units import date_of
from framelens.store.database import Row

_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
_AGE = re.compile(r" \(\d+\)$")
Pictured = TypeVar("Pictured", AnalysisState, Analysis)
State = Literal[
    "queued",
    "running",
    "describing",
    "measuring",
    "paused",
    "done",
    "incomplete",
    "without_model",
    "model_failed",
    "no_usable_answer",
    "failed",
    "cancelled",
    "interrupted",
]
"""In "describing" the report exists with the answer to the question, and the video is being described; in "measuring"
only the facts of some of its frames are missing."""
_READABLE_AT_WORK: tuple[State, ...] = ("describing", "measuring")
WORKING: tuple[State, ...] = ("running", *_READABLE_AT_WORK)
AT_WORK: tuple[State, ...] = ("queued", *WORKING)
_STAGES: dict[Stage, tuple[float, float]] = {
    "survey": (0.0, 0.3), "engine": (0.3, 0.4), "ask": (0.4, 0.9), "summary": (0.9, 1.0), "facts": (1.0, 1.0),
}  # fmt: skip
_STAGES_WITH_QUESTION: dict[Stage, tuple[float, float]] = {
    "survey": (0.0, 0.2), "engine": (0.2, 0.3), "answer": (0.3, 0.7), "ask": (0.7, 0.95), "summary": (0.95, 1.0),
    "facts": (1.0, 1.0),
}  # fmt: skip
_STAGES_WITHOUT_MODEL: dict[Stage, tuple[float, float]] = {
    "survey": (0.0, 0.7), "facts": (0.7, 1.0), "answer": (0.7, 1.0),
}  # fmt: skip
"""Shares of a job's work at which its stages begin and end, until there is a report."""
_ANSWER_STEPS: dict[AnswerStep, tuple[float, float]] = {
    "question": (0.0, 0.05), "thumbnails": (0.05, 0.1), "search": (0.1, 1.0), "embeddings": (0.1, 0.2),
    "votes": (0.2, 0.6), "frames": (0.6, 0.65), "words": (0.65, 1.0),
}  # fmt: skip
"""Shares of the stage "answer" at which its steps begin and end."""
_ANSWER_STAGES = ("answer", "ask", "summary")
"""Stages whose time is dropped with the answers."""
_MOST_INTERRUPTIONS = 2
"""Most interruptions without a new answer after which a job resumes unasked; after more, the job may be their cause."""
_MODEL_ERRORS = ("model_disk_full", "model_cache_unwritable")
_NOT_STARTED = AnalysisState()


@dataclass(frozen=True)
class JobSnapshot:
    """State of a job at a moment.

    Attributes:
        follows: Id of the job whose report led to this job, or "".
        progress: State of its analysis.
        earlier: Report of an earlier run, until this run has a report.
        conditions: Settings that the job was started with and that its answers depend on.
        interruptions: How often the program ended while the job ran, since its last new answer or its user resumed it.
        again: Numbers of the stored answers that are to be replaced.
        user_id: Id of the job's owner, "" without an owner.
        reached: The highest share of the work that this run has reached; counts of a stage may fall.
        corrections: What people changed in its report; stored in a table of its own.
    """

    id: str
    name: str
    created: str
    request: AnalysisRequest
    follows: str = ""
    state: State = "queued"
    progress: AnalysisState = _NOT_STARTED
    earlier: Analysis | None = None
    failure: Failure | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    interruptions: int = 0
    again: tuple[int, ...] = ()
    user_id: str = ""
    reached: float = 0.0
    corrections: tuple[Correction, ...] = ()

    @property
    def written(self) -> Analysis | None:
        """Return the report as the model wrote it so far; until it exists, the report of an earlier run."""
        return self.progress.report or (self.earlier and self.earlier.with_results(self.progress.results))

    @cached_property
    def analysis(self) -> Analysis | None:
        """Return the report so far with the corrections of people."""
        written = self.written
        if written is None or not (self.corrections or written.corrections):
            return written
        from framelens.core.corrected_report import corrected

        return corrected(written, self.corrections)

    @property
    def error(self) -> AppError | None:
        """Return why the job failed, or why no model gave a usable answer; None for any other job.

        Earlier versions stored a stop by the user as an error, too.
        """
        error = self.failure.as_error() if self.failure else None
        return None if isinstance(error, Cancelled) else error

    @property
    def is_no_video(self) -> bool:
        """Return whether the job failed because its file is no video."""
        return isinstance(self.error, VideoError) and self.progress.video is None

    @property
    def model(self) -> str:
        """Return the model that the job was started with, without the age of its files; "" if no model is asked."""
        return _AGE.sub("", self.conditions.get("model", ""))

    @property
    def is_over(self) -> bool:
        """Return whether the job neither waits nor runs."""
        return self.state not in AT_WORK

    @property
    def is_readable(self) -> bool:
        """Return whether the page shows the job as a (possibly partial) report rather than as work in progress."""
        return self.is_over or self.state in _READABLE_AT_WORK

    @property
    def share(self) -> float:
        """Return the finished share of the work until there is a report, 0 to 1."""
        return 1.0 if self.is_complete else max(self.reached, self._share_now)

    @property
    def _share_now(self) -> float:
        asking = _STAGES_WITH_QUESTION if self.request.question.strip() else _STAGES
        stages = asking if self.request.use_model else _STAGES_WITHOUT_MODEL
        progress = self.progress
        done = min(1.0, progress.step / progress.total) if progress.total else 0.0
        if progress.stage == "answer" and progress.answer_step:
            done = _share_in(_ANSWER_STEPS[progress.answer_step], done)
        return _share_in(stages.get(progress.stage, (0.0, 0.0)), done) if progress.stage else 0.0

    @property
    def can_pause(self) -> bool:
        """Return whether parts of the video remain, after a pause, about which the engine hasn't been asked."""
        if self.is_over or self.state == "measuring" or not self.request.use_model:
            return False
        if self.request.question.strip() and self.progress.stage in (None, "survey", "engine", "answer"):
            return True
        if self.progress.layout is None:
            chosen = self.progress.keyframes if self.progress.decode else None
            return (self.request.frames if chosen is None else len(chosen)) > SURELY_ONE_PART
        sent = {*self.progress.modes, *(result.number for result in self.progress.results if not result.is_unfinished)}
        return any(numbers[0] not in sent for numbers in self.progress.layout.parts)

    @property
    def has_answers(self) -> bool:
        """Return whether a model has answered anything."""
        return bool(self.progress.results or self.progress.answer)

    @property
    def is_imported(self) -> bool:
        """Return whether the job is a report imported from another machine, so that its video is not here."""
        return self.request.path == UNKNOWN_PATH

    @property
    def can_resume(self) -> bool:
        """Return whether the job stopped early, or a requested model gave no usable or no whole answer."""
        stopped = ("paused", "incomplete", "model_failed", "no_usable_answer", "failed", "cancelled", "interrupted")
        return self.state in stopped and not self.is_imported

    @property
    def can_describe(self) -> bool:
        """Return whether a search has answered the question, so that the video wasn't described."""
        answer = self.analysis.question_answer if self.analysis else None
        is_found = answer is not None and answer.is_found and not self.progress.results
        return self.state == "done" and is_found and not self.is_imported

    @property
    def is_complete(self) -> bool:
        """Return whether the report has everything that was requested; facts may still follow."""
        return self.state in ("done", "incomplete", "without_model", "measuring")

    @property
    def is_without_model(self) -> bool:
        """Return whether the report contains only measurements, also before all is measured."""
        is_so = self.analysis is not None and self.analysis.is_measured_only and not self.analysis.is_answered
        return is_so and self.state in ("measuring", "without_model", "model_failed")

    @property
    def lacks_only_facts(self) -> bool:
        """Return whether everything is answered, but the last run ended before every frame was measured."""
        notices = self.analysis.notices if self.analysis else ()
        return any(notice.key == "facts_pending" for notice in notices) and not self.again

    def restarted(self) -> JobSnapshot:
        """Return the snapshot reset for another run, which continues from the frames, transcript and answers so far."""
        before = self.progress
        if self.lacks_only_facts:
            assert self.written
            return replace(self, state="measuring", progress=AnalysisState.of(self.written), failure=None)
        progress = AnalysisState(
            video=before.video,
            decode=before.decode,
            keyframes=before.keyframes,
            transcript=before.transcript,
            layout=before.layout,
            results=before.results,
            answer=before.answer,
            seconds_by_stage=before.seconds_by_stage,
        )
        earlier = self.written and replace(self.written, notices=_without_pending(self.written.notices))
        return replace(self, state="queued", progress=progress, earlier=earlier, failure=None, reached=0.0)

    def without_answers(self, conditions: Mapping[str, str]) -> JobSnapshot:
        """Return the snapshot without answers, for other settings: answers under both must not be mixed."""
        spent = {
            stage: seconds for stage, seconds in self.progress.seconds_by_stage.items() if stage not in _ANSWER_STAGES
        }
        progress = replace(self.progress, layout=None, results=(), answer=None, header=None, seconds_by_stage=spent)
        return replace(self, conditions=dict(conditions), progress=progress, earlier=None, again=())

    def interrupted(self, state: str, *, is_same: bool) -> tuple[JobSnapshot, bool]:
        """Return the snapshot after its process ended in this state, and whether the job resumes unasked.

        The user decides about a job that may be the cause of the interruptions, or whose settings have changed.
        """
        job = replace(self, interruptions=self.interruptions + (state in WORKING))
        if job.interruptions > _MOST_INTERRUPTIONS or not is_same:
            return replace(job.without_eta(), state="interrupted"), False
        return job, True

    def with_speakers(self, names: Sequence[str]) -> JobSnapshot:
        """Return the snapshot with names for the speakers of its transcript."""
        transcript, before = self.progress.transcript, self.earlier.transcript if self.earlier else None
        return replace(
            self,
            progress=replace(self.progress, transcript=transcript and transcript.with_names(names)),
            earlier=self.earlier and replace(self.earlier, transcript=before and before.with_names(names)),
        )

    def without_eta(self) -> JobSnapshot:
        """Return the snapshot without an estimated time, for a job that no longer runs."""
        return replace(self, progress=replace(self.progress, eta_seconds=None))

    def timed(self) -> JobSnapshot:
        """Return a job that runs in this process with the time of its stage so far; a report has all times."""
        is_running = self.state == "running" and self.progress.header is None
        return replace(self, progress=self.progress.with_stage_timed()) if is_running else self

    def updated(self, update: AnalysisUpdate) -> JobSnapshot:
        """Return the snapshot after an event of the analysis."""
        job = replace(self, progress=update.state)
        job = replace(job, reached=job.share)
        match update.event:
            case ChunkDone(result):
                again = tuple(number for number in job.again if number != result.number)
                is_new = result not in self.progress.results
                return replace(job, again=again, interruptions=0 if is_new else job.interruptions)
            case AnswerChanged(looked=looked):
                return replace(job, interruptions=0) if looked else job
            case Answered(lacks=lacks):
                return replace(job, state="measuring" if lacks == "facts" else "describing", earlier=None)
            case Finished():
                return replace(job, earlier=None)
            case _:
                return job


def _share_in(span: tuple[float, float], share: float) -> float:
    start, end = span
    return start + (end - start) * share


def without_missing_facts(job: JobSnapshot, error: AppError) -> JobSnapshot:
    """Return a job in "measuring" whose report says that facts are missing because of `error`."""
    notices = (*_without_pending(job.progress.notices), facts_incomplete(error))
    return replace(job, progress=replace(job.progress, notices=notices))


def _without_pending(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    return tuple(notice for notice in notices if notice.key != "facts_pending")


def outcome(job: JobSnapshot, error: AppError | None) -> tuple[State, AppError | None]:
    """Return the final state of a run, and the error to store.

    Args:
        job: The job at the end of the run.
        error: The error with which the run ended, or None.
    """
    report = job.analysis
    state: State = report.outcome if report else "done"
    if error is None:
        return state, _no_usable_answer(report) if report and state == "no_usable_answer" else None
    if report and report.is_answered:
        return "incomplete", error
    is_about_model = isinstance(error, EngineError) or error.key in _MODEL_ERRORS
    return (state if is_about_model and state == "model_failed" else "failed"), error


def _no_usable_answer(analysis: Analysis) -> EngineError:
    """Return the error of a report whose model gave no usable answer."""
    is_reasoned = any("reasoned" in request.troubles for request in analysis.requests)
    return EngineError("engine_reasoned" if is_reasoned else "no_usable_answer")


def to_row(job: JobSnapshot, owner: str, same: str = "") -> Row:
    """Build the row of a job that belongs to the process `owner`; images and results are stored in other tables."""
    bare = with_pictures(with_results(job, ()), {})
    bare = replace(bare, progress=replace(bare.progress, found=(), opening=()), corrections=())
    return Row(job.id, job.created, job.name, job.state, owner, to_json(bare), job.priority, same, job.user_id)


def from_row(row: Row, *, is_alive: bool) -> JobSnapshot:
    """Build the job of a row, without images and results.

    Args:
        row: The stored job.
        is_alive: Whether the process that owns the job is running; an unfinished job of a dead process is interrupted.

    Raises:
        ValueError: The stored document is damaged.
    """
    document = json.loads(row.document)
    job = replace(from_builtins(document, JobSnapshot), user_id=row.user_id)
    return job if job.is_over or is_alive else replace(job, state="interrupted")


def imported_job(analysis: Analysis) -> JobSnapshot:
    """Build a finished job of the user from a report of another machine. Its id and time are kept if they are valid."""
    from framelens.core.corrected_report import as_written

    job_id = analysis.id if _ID.fullmatch(analysis.id) else new_id()
    log = analysis.corrections.log if analysis.corrections else ()
    analysis = replace(as_written(analysis), id=job_id, request=replace(analysis.request, path=UNKNOWN_PATH))
    state = analysis.outcome
    return JobSnapshot(
        id=job_id,
        name=single_line(analysis.video.name.rpartition("/")[2]),
        created=_time_or_now(analysis.created),
        request=analysis.request,
        state=state,
        failure=Failure.of(_no_usable_answer(analysis)) if state == "no_usable_answer" else None,
        progress=AnalysisState.of(analysis),
        conditions=dict(analysis.conditions),
        user_id=current_user().id,
        corrections=log,
    )


def _time_or_now(text: str) -> str:
    """Return a time in ISO form and UTC, by which jobs are sorted; the current time if the text is not a time."""
    now = datetime.now(UTC)
    try:
        created = (date_of(text) or now).astimezone(UTC)
    except OverflowError:
        created = now
    return created.isoformat(timespec="milliseconds")


def with_results(job: JobSnapshot, results: Sequence[ChunkResult]) -> JobSnapshot:
    """Return the job with these results."""
    earlier = job.earlier and job.earlier.with_results(())  # they are in `progress`
    return replace(job, progress=replace(job.progress, results=in_order(results)), earlier=earlier)


def pictures_of(job: JobSnapshot) -> dict[int, bytes]:
    """Return the JPEGs of a job by number; pictures of the answer that are no keyframes have negative numbers."""
    answer = job.progress.answer
    others = {-picture.number: picture.jpeg for picture in (answer.pictures if answer else ()) if picture.jpeg}
    return {**{frame.number: frame.jpeg for frame in job.progress.keyframes}, **others}


def with_pictures(job: JobSnapshot, pictures: Mapping[int, bytes]) -> JobSnapshot:
    """Return the job with these JPEGs, numbered as in `pictures_of`, in its keyframes and in the answer."""

    def filled(pictured: Pictured) -> Pictured:
        frames = tuple(replace(frame, jpeg=pictures.get(frame.number, b"")) for frame in pictured.keyframes)
        answer = pictured.answer and replace(
            pictured.answer,
            pictures=tuple(
                picture if picture.keyframe else replace(picture, jpeg=pictures.get(-picture.number, b""))
                for picture in pictured.answer.pictures
            ),
        )
        return replace(pictured, keyframes=frames, answer=answer)

    return replace(job, progress=filled(job.progress), earlier=job.earlier and filled(job.earlier))
