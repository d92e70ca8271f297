"""Pipeline of an analysis, from the file to the finished Analysis, as a generator of typed events with their states.

Starting the engine, hashing the file, transcribing and choosing frames run in parallel; the first frames are asked
about while the rest is read, and facts are measured while the engine answers. The report doesn't wait for them:
`Answered` carries it once all is answered, and `Finished` follows with the facts. Page, command line and tests consume
the same generator. Cancel and pause are events of the task.

If something fails after the frames are chosen, `Finished` is emitted with all results so far before the error is
raised: nothing is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.analysis.inputs.transcription import Transcription
from framelens.analysis.pipeline_state import EngineEnded, Frames, PipelineState, wait_for
from framelens.analysis.planning.forecast import ListeningForecast
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.planning.plan import extract_options
from framelens.analysis.planning.time_parsing import range_notice
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.analysis.task import Task, facts_incomplete, merge_answers
from framelens.core import own_version
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate, ReportHeader
from framelens.core.background_task import in_thread
from framelens.core.domain import Analysis, ChunkResult, Cue, EngineInfo, Notice, SpeechSpans
from framelens.core.errors import AppError, Cancelled, EngineError, Paused, VideoError
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    Answered,
    EngineReady,
    FactsMeasured,
    FileHashed,
    Finished,
    Heard,
    HearingProgress,
    KeyframesChosen,
    Noticed,
    SilenceMeasured,
    StageStarted,
    value_of,
)
from framelens.core.files import readable
from framelens.i18n import as_notice, in_language
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.keyframes.options import ExtractOptions

if TYPE_CHECKING:
    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.analysis.requests.orchestrator import Orchestrator

    Opened = tuple[EngineConnection, EngineInfo]

T = TypeVar("T")
_MOST_REPLACED = 2
"""Most engines of a pool that may die during the analysis of a video, which may be the cause."""


class Answerer(Protocol):
    """What answers the question of a request; `framelens.questions.RequestAnswerer` does, like every question."""

    def reads_screen(self, question: str) -> bool:
        """Return whether the answer rests on text on the screen."""

    def is_about_text(self, question: str) -> bool:
        """Return whether text on the screen or speech may answer a question, without a model."""

    def wants_description(self, question: str) -> bool:
        """Return whether a question asks for a description of the video, too."""

    def answer(
        self,
        analysis: Analysis,
        measured: Callable[[], Analysis],
        connection: EngineConnection | None,
        cancel: threading.Event,
    ) -> Generator[AnswerChanged, None, None]:
        """Answer the question of an analysis, of which the frames are known, and yield the answer as it grows.

        Without a connection only text and speech answer it, and nothing is yielded where they don't. What describes
        frames in words takes their facts from `measured`, which waits for all of them.
        """


class Tools(Protocol):
    """What an analysis works with; `services.engines.engine_session.EngineSession` builds it from the settings."""

    @property
    def extractions(self) -> ExtractionCache:
        """Return the reader of videos."""

    @property
    def transcription(self) -> Transcription:
        """Return the reader of subtitles, which also transcribes speech."""

    @property
    def connector(self) -> EngineConnector | None:
        """Return the connector, which starts and connects the engine; None without an engine."""

    @property
    def answerer(self) -> Answerer | None:
        """Return the answerer of questions; None leaves them to the description."""

    @property
    def templates(self) -> Templates:
        """Return all templates."""

    @property
    def capacity(self) -> RequestCapacity:
        """Return the capacity of a request by the settings, before the engine is ready."""

    @property
    def side(self) -> int | None:
        """Return the longer side of sent frames in pixels by the settings; None lets the plan choose."""


def analyse(
    task: Task, tools: Tools, note: Callable[[AnalysisEvent], None] = lambda event: None
) -> Iterator[AnalysisUpdate]:
    """Return the events of an analysis, which runs as they are read, with the states after them; the last is Finished.

    Args:
        task: What to analyse.
        tools: What it works with.
        note: Called with each event before it is yielded.

    Raises:
        AppError: The run failed; after Finished if the frames were chosen.
        Cancelled: The run was cancelled, or paused (Paused).
    """
    run = _Run(task, tools)
    work = run.measure_missing_facts if task.done.report else run.analyse
    return run.state.updates(lambda: in_thread("analysis", work), note)


class _Run:
    def __init__(self, task: Task, tools: Tools) -> None:
        self.task = task
        self.request = task.request
        self.tools = tools
        self.template = tools.templates.find(task.request.template)
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.state = PipelineState(task.control, task.done.state)

    def analyse(self) -> None:
        """Run the analysis. Raises what `analyse` raises."""
        emit, start = self.state.emit, _start
        emit(StageStarted("survey"))
        if notice := range_notice(self.request.selection):
            emit(Noticed(notice))
        options = start("options", self._options)
        digest = start("digest", self._digest)
        video = start("video", lambda: self._read(options))
        opening = partial(self._open, lambda: self.state.video().content_key)
        engine = start("engine", opening) if self._wants_model() else None
        hearing = start("hearing", lambda: self._hear(digest, engine))
        inputs = (hearing, digest)
        reopening = partial(opening, was_lost=True)
        asking = start("asking", lambda: self._ask(engine, reopening, options, inputs))
        self.state.chosen()
        try:
            self._answers(engine, asking)
            self._settle(*inputs)
            for future in inputs:
                future.result()
            self._rest(video)
        except Cancelled:
            raise
        except AppError as error:
            key = "incomplete" if self._has_answers() else "no_model_because"
            emit(Noticed(Notice(key, {"reason": as_notice(error)}, "error")))
            self._settle(*inputs)
            if not self._has_answers():  # a report of facts alone: show it at once
                self._pending(video)
            self._settle(video)
            self.state.emit_with_state(lambda state: Finished(self._report(state, is_partial=True)))
            raise
        self.state.emit_with_state(lambda state: Finished(self._report(state)))

    def measure_missing_facts(self) -> None:
        """Measure the facts that an interrupted run had not measured, then make the report. No model is asked."""
        report, notices = self.task.done.report, list[Notice]()
        assert report
        self.state.emit(StageStarted("facts", len(report.keyframes)))
        options = _start("options", self._options)
        video = _start("video", lambda: self._read(options, report))
        try:
            self._finish(video)
        except Cancelled:
            raise
        except AppError as error:
            notices.append(facts_incomplete(error))
        self.state.emit_with_state(lambda state: Finished(_without_pending(state.with_stage_timed(), notices)))

    @staticmethod
    def _check_same(report: Analysis, frames: Frames) -> None:
        """Raise VideoError("video_changed") if `frames` differ in time from the report's."""
        if [frame.time_seconds for frame in frames] != [frame.time_seconds for frame in report.keyframes]:
            raise VideoError("video_changed", name=report.video.name)

    def _wants_model(self) -> bool:
        return self.request.use_model and self.tools.connector is not None

    def _options(self) -> ExtractOptions:
        """Return what to extract."""
        request, tools = replace(self.request, use_model=self._wants_model()), self.tools
        return extract_options(partial(tools.extractions.probe, request.path), request, tools.capacity, tools.side)

    # ---- parallel tasks

    def _digest(self) -> str:
        sha256 = value_of(self.tools.extractions.hashed(self.request.path, self.state.stop), self.state.emit)
        self.state.emit(FileHashed(sha256))
        return sha256

    def _read(self, options: Future[ExtractOptions], report: Analysis | None = None) -> None:
        """Choose the frames and measure their facts; of a report that lacks only facts, emit those."""
        try:
            for event in self.tools.extractions.extract(self.request.path, options.result(), self.state.stop):
                if report and isinstance(event, KeyframesChosen):
                    self._check_same(report, event.keyframes)
                if report is None or isinstance(event, FactsMeasured | SilenceMeasured):
                    self.state.emit(event)
            if not (report or self.state.has_chosen):
                raise VideoError("no_frames", name=readable(self.request.path.name))
        except BaseException as error:
            self.state.fail(error)
            raise

    def _hear(self, digest: Future[str], engine: Future[Opened] | None) -> None:
        video, end = self.state.video(), self.request.selection.end_seconds
        end = end if end is not None else video.duration_seconds_from_header or 0.0
        forecast = ListeningForecast(end, None)

        def begin(start_seconds: float, pace: float | None, speech: SpeechSpans | None) -> None:
            nonlocal forecast
            forecast = ListeningForecast(end, pace, speech)
            note(start_seconds)

        def note(seconds: float, cues: tuple[Cue, ...] = ()) -> None:
            if self.request.speakers is None:  # else requests wait until it is known who speaks
                self.state.add_cues(seconds, cues)
            forecast.reach(seconds, time.monotonic())
            self.state.emit(HearingProgress(seconds, max(end, seconds), forecast.seconds_left()))

        def share(done: float) -> None:
            self.state.emit(HearingProgress(end, end, share_of_speakers=done))

        transcript, notices = self.tools.transcription.transcribe(
            video,
            self.request,
            sha256=digest.result,
            cancel=self.state.stop,
            after=engine.result if engine else None,
            on_start=begin,
            on_progress=note,
            on_share=share,
        )
        for notice in notices:
            self.state.emit(Noticed(notice))
        self.state.emit(Heard(transcript))

    def _open(self, content: Callable[[], str], *, was_lost: bool = False) -> Opened:
        assert self.tools.connector
        connection, engine = self.tools.connector.connect(self.state.emit, self.state.stop, content, was_lost=was_lost)
        self.state.emit(EngineReady(engine))
        return connection, engine

    def _ask(
        self,
        opened: Future[Opened] | None,
        reopen: Callable[[], Opened],
        options: Future[ExtractOptions],
        inputs: Sequence[Future[Any]],
    ) -> None:
        """Answer the question, then send all requests of the description, unless a search has answered it.

        An engine that dies is restarted, replaced or waited for, and the run continues where it ended. If the question
        can't be answered, the description is made before the error is raised. Without an engine, text and speech answer
        the question where they can.
        """
        if opened is None:
            if failure := self._answer(None, inputs):
                raise failure
            return
        connection, engine = opened.result()
        opening = options.result().opening
        opening_seconds = opening.seconds if opening else None
        task, is_pooled = self.task, connection.engine.is_pooled
        for chances in reversed(range(_MOST_REPLACED + 1 if is_pooled else 2)):
            asking = self._orchestrator(task, connection, engine)
            try:
                failure = self._answer(connection, inputs)
                if self._describes():
                    asking.run(opening_seconds)
                if failure:
                    raise failure
                return
            except EngineEnded as ended:
                if not chances:
                    raise ended.error from ended
                notice = connection.continuation(ended.error)
                task = replace(task, done=asking.done)
            finally:
                connection.engine.leave()
            self.state.emit(StageStarted("engine"))
            connection, engine = reopen()
            self.state.emit(Noticed(notice))

    def _answer(self, connection: EngineConnection | None, inputs: Sequence[Future[Any]]) -> AppError | None:
        """Answer the question of the request, if any; return why it can't be answered.

        Args:
            connection: The engine; None without an engine.
            inputs: The transcript and the digest, which an answer rests on.

        Raises:
            EngineEnded: The engine has died.
            Paused: A search was paused; an answer that is being written is finished.
        """
        question = self.request.question
        if not question.strip() or (answerer := self.tools.answerer) is None:
            return None
        if connection is None and not answerer.is_about_text(question):
            return None
        emit, before = self.state.emit, self.state.now.answer
        if before and before.answers[0].state == "complete":
            emit(AnswerChanged(before, is_over=True))
            return None
        emit(StageStarted("answer"))
        try:
            frames, _ = self.state.chosen()
            reads = connection is None or answerer.reads_screen(question) or connection.sight.needs_text
            self.state.facts(frames if reads else frames[:1])  # from then on, the thumbnails are cached
            for future in inputs:
                wait_for(future, self.state.check)
            report = replace(self._report(self.state.now), answer=None)

            def measured() -> Analysis:
                self.state.facts(frames)
                return replace(report, facts=self.state.now.facts)

            with closing(answerer.answer(report, measured, connection, self.state.stop)) as events:
                for event in events:
                    emit(event)
                    if self.state.is_paused and not (event.is_over or event.answer.answers[0].answer):
                        raise Paused
        except Cancelled:
            raise
        except AppError as error:
            return self._without_answer(connection, error)
        return None

    def _describes(self) -> bool:
        """Return whether the video is to be described; the report of a complete answer doesn't wait for it."""
        answer, answerer = self.state.now.answer, self.tools.answerer
        if answer is None or answerer is None or answer.answers[0].state != "complete":
            return True
        is_asked = not self.template.needs_question or answerer.wants_description(self.request.question)
        if answer.answers[0].is_found and not (self.request.describes or is_asked):
            return False
        self.state.emit_with_state(lambda state: Answered(self._report(state, is_partial=True), "description"))
        return True

    def _without_answer(self, connection: EngineConnection | None, error: AppError) -> AppError:
        """Return why the question can't be answered. Raises EngineEnded if the engine has died."""
        if connection and isinstance(error, EngineError) and (death := connection.death(error)):
            raise EngineEnded(death) from error
        return error

    def _orchestrator(self, task: Task, connection: EngineConnection, engine: EngineInfo) -> Orchestrator:
        from framelens.analysis.requests.orchestrator import Orchestrator
        from framelens.analysis.requests.request_executor import RunContext

        # A server may serve another model than last time; then its answers must not be mixed with the earlier answers.
        connection = replace(connection, conditions={**self.task.conditions, "served": engine.model})
        return Orchestrator(RunContext(task, self.template, connection, self.state, self.state.emit))

    # ---- the run itself

    def _answers(self, engine: Future[Opened] | None, asking: Future[None]) -> None:
        if engine is None:
            self.state.emit(Noticed(Notice("no_model")))
        else:
            if not engine.done():
                self.state.emit(StageStarted("engine"))
            wait_for(engine, self.state.check)
        self._finish(asking)

    def _rest(self, video: Future[None]) -> None:
        """Make the report with the facts so far, then measure the remaining facts.

        If they can't be measured, a notice reports it: the answers are complete.
        """
        self._pending(video)
        try:
            self._finish(video)
        except Cancelled:
            raise
        except AppError as error:
            if len(self.state.now.facts) == len(self.state.now.keyframes):
                raise
            self.state.emit(Noticed(facts_incomplete(error)))

    def _pending(self, video: Future[None]) -> None:
        """Make the report without the facts that are still being measured; make no report if all are measured."""
        if not video.done():
            self.state.emit(StageStarted("facts", len(self.state.now.keyframes)))
            pending = Notice("facts_pending", level="info")
            self.state.emit_with_state(lambda state: Answered(self._report(state, pending)))

    def _settle(self, *parts: Future[Any]) -> None:
        """Wait until they are over."""
        for part in parts:
            wait_for(part, self.state.check_cancelled)

    def _finish(self, part: Future[None]) -> None:
        """Wait until it is over. Raises its error."""
        self._settle(part)
        part.result()

    def _has_answers(self) -> bool:
        """Return whether a model has said anything usable, in this run or an earlier run."""
        answer = self.state.now.answer
        return bool(self._merged_results()) or (answer is not None and answer.answers[0].is_usable)

    def _merged_results(self) -> tuple[ChunkResult, ...]:
        """Return the answers of this run and the earlier answers that it has not replaced."""
        return merge_answers(self.task.done, self.state.results, self.state.now.keyframes)

    def _report(self, state: AnalysisState, *notices: Notice, is_partial: bool = False) -> Analysis:
        """Build the report from `state`; `notices` hold for this report only."""
        results = self._merged_results() if is_partial else self.state.results
        engine = (state.engine or self.task.done.engine) if results else state.engine
        with in_language(self.request.language):
            field_names = {field.key: field.name.text for field in self.template.fields}
        header = ReportHeader(
            id=self.task.job_id,
            created=self.created,
            request=self.request,
            app_version=own_version(),
            conditions=self.task.conditions,
            field_names=field_names,
            link=VideoRepository.link_of(self.request.path),
        )
        state = replace(state.with_stage_timed(), results=results, engine=engine, header=header)
        return _without_pending(state, notices)


def _start(name: str, work: Callable[[], T]) -> Future[T]:
    return in_thread(f"analysis-{name}", work)


def _without_pending(state: AnalysisState, notices: Sequence[Notice]) -> Analysis:
    """Return the report of a state, with these notices instead of the notice "facts_pending"."""
    others = tuple(notice for notice in state.notices if notice.key != "facts_pending")
    report = replace(state, notices=(*others, *notices)).report
    assert report
    return report
