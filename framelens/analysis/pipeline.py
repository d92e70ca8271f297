"""Pipeline of one analysis, from the file to the finished Analysis, as a generator of typed events.

Starting the engine, hashing the file, transcribing and choosing frames run in parallel; the first frames are asked
about while the rest is read, and facts are measured while the engine answers. The report doesn't wait for them:
`Answered` carries it once all is answered, and `Finished` follows with the facts. Page, command line and tests consume
the same generator. Cancel and pause are events of the task.

If something fails after the frames are chosen, `Finished` is yielded with all results so far before the error is
raised: nothing is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.analysis.inputs.transcription import Transcription
from framelens.analysis.pipeline_state import ConcurrentEvents, Emit, Frames, PipelineState, wait_for
from framelens.analysis.planning.frame_budget import SURELY_ONE_PART, RequestCapacity
from framelens.analysis.planning.plan import extract_options
from framelens.analysis.planning.time_parsing import range_notice
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.analysis.task import Task, facts_incomplete, merge_answers
from framelens.core.analysis_state import AnalysisState, ReportHeader
from framelens.core.domain import (
    Analysis,
    AnalysisEvent,
    AnswerChanged,
    Answered,
    ChunkResult,
    EngineInfo,
    EngineReady,
    FactsMeasured,
    FileHashed,
    Finished,
    Heard,
    KeyframesChosen,
    Notice,
    Noticed,
    StageStarted,
)
from framelens.core.errors import AppError, Cancelled, EngineError, Paused, VideoError
from framelens.core.files import readable
from framelens.i18n import as_notice, in_language
from framelens.video.files import digest_of
from framelens.video.keyframes.options import ExtractOptions

if TYPE_CHECKING:
    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.analysis.requests.orchestrator import Orchestrator

    Opened = tuple[EngineConnection, EngineInfo]

T = TypeVar("T")
_POLL_SECONDS = 0.1
_MOST_REPLACED = 2
"""Engines of a pool that may die under one video, which may be the cause."""


class Answerer(Protocol):
    """What answers the question of a request; `framelens.conversations.RequestAnswerer` does, like every question."""

    def reads_screen(self, question: str) -> bool:
        """Return whether the answer rests on text on the screen."""

    def answer(
        self, analysis: Analysis, connection: EngineConnection, cancel: threading.Event
    ) -> Generator[AnswerChanged, None, None]:
        """Answer the question of an analysis, of which the frames are known, and yield the answer as it grows."""


class Tools(Protocol):
    """What an analysis works with; `framelens.services.engine_session.EngineSession` builds it from the settings."""

    @property
    def extractions(self) -> ExtractionCache:
        """Return the reader of videos."""

    @property
    def transcription(self) -> Transcription:
        """Return the reader of subtitles, which also transcribes speech."""

    @property
    def connector(self) -> EngineConnector | None:
        """Return what starts and connects the engine; None if there is none."""

    @property
    def answerer(self) -> Answerer | None:
        """Return what answers questions; None leaves them to the description."""

    @property
    def templates(self) -> Templates:
        """Return all templates."""

    @property
    def capacity(self) -> RequestCapacity:
        """Return the capacity of a request by the settings, before the engine is ready."""

    @property
    def side(self) -> int | None:
        """Return the longer side of sent frames in pixels by the settings; None lets the plan choose."""


def analyse(task: Task, tools: Tools) -> Iterator[AnalysisEvent]:
    """Run an analysis and yield its events; the last is Finished.

    Raises:
        AppError: The run failed; after Finished if the frames were chosen.
        Cancelled: The run was cancelled, or paused (Paused).
    """
    with ConcurrentEvents(task.control.cancel) as background:
        run = _Run(task, tools, background)
        yield from run.missing_facts(task.done.report) if task.done.report else run.events()


class _Run:
    def __init__(self, task: Task, tools: Tools, background: ConcurrentEvents) -> None:
        self.task = task
        self.request = task.request
        self.tools = tools
        self.template = tools.templates.find(task.request.template)
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.background = background
        self.state = PipelineState(task.control, background.stop, task.done.seconds_by_stage)
        background.apply = self.state.apply

    def events(self) -> Iterator[AnalysisEvent]:
        """Yield the events of a run."""
        yield self._applied(StageStarted("survey"))
        if notice := range_notice(self.request.selection):
            yield self._applied(Noticed(notice))
        start = self.background.start
        options = start("options", lambda _: self._options())
        digest = start("digest", self._digest)
        video = start("video", lambda emit: self._read(options, emit))
        opening = partial(self._open, lambda: self.state.video().content_key)
        engine = start("engine", opening) if self._wants_model() else None
        heard = start("hearing", lambda emit: self._hear(digest, engine, emit))
        known = (heard, digest)
        asking = start("asking", lambda emit: self._ask(engine, opening, options, known, emit)) if engine else None
        yield from self._until_frames(video)
        try:
            yield from self._answers(engine, asking)
            yield from self._settle(heard, digest)
            heard.result()
            digest.result()
            yield from self._rest(video)
        except Cancelled:
            raise
        except AppError as error:
            key = "incomplete" if self._has_answers() else "no_model_because"
            yield self._applied(Noticed(Notice(key, {"reason": as_notice(error)}, "error")))
            yield from self._settle(heard, digest)
            if not self._has_answers():  # a report of facts alone: show it at once
                yield from self._pending(video)
            yield from self.background.until(video)
            yield Finished(self._report(is_failed=True))
            raise
        yield Finished(self._report())

    def missing_facts(self, report: Analysis) -> Iterator[AnalysisEvent]:
        """Yield the facts that an interrupted run had not measured, then the report with them. No model is asked."""
        begins = StageStarted("facts", len(report.keyframes))
        yield begins
        notices = tuple(notice for notice in report.notices if notice.key != "facts_pending")
        state = AnalysisState.of(replace(report, notices=notices)).apply(begins)
        options = self.background.start("options", lambda _: self._options())
        video = self.background.start("video", lambda emit: self._read(options, emit))
        try:
            for event in self._wait(video):
                if isinstance(event, KeyframesChosen):
                    self._check_same(report, event.keyframes)
                elif isinstance(event, FactsMeasured):
                    state = state.apply(event)
                    yield event
        except Cancelled:
            raise
        except AppError as error:
            state = state.apply(Noticed(facts_incomplete(error)))
        finished = state.with_stage_timed().report
        assert finished
        yield Finished(finished)

    def _applied(self, event: AnalysisEvent) -> AnalysisEvent:
        self.state.apply(event)
        return event

    def _check_same(self, report: Analysis, frames: Frames) -> None:
        """Raise VideoError("video_changed") where `frames` are not those of the report."""
        if [frame.time_seconds for frame in frames] != [frame.time_seconds for frame in report.keyframes]:
            raise VideoError("video_changed", name=report.video.name)

    def _wants_model(self) -> bool:
        return self.request.use_model and self.tools.connector is not None

    def _options(self) -> ExtractOptions:
        """Return what to extract. Probing takes a moment, so requests without an opening skip it."""
        request = self.request
        if not self._wants_model() or request.frames <= SURELY_ONE_PART:
            return ExtractOptions(request.frames, request.selection, adapts=request.adapts)
        return extract_options(
            self.tools.extractions.probe(request.path), request, self.tools.capacity, self.tools.side
        )

    # ---- parallel tasks

    def _digest(self, emit: Emit) -> str:
        sha256 = digest_of(self.tools.extractions.hashed(self.request.path, self.background.stop), emit)
        emit(FileHashed(sha256))
        return sha256

    def _read(self, options: Future[ExtractOptions], emit: Emit) -> None:
        try:
            for event in self.tools.extractions.extract(self.request.path, options.result(), self.background.stop):
                emit(event)
        except BaseException as error:
            self.state.fail(error)
            raise

    def _hear(self, digest: Future[str], engine: Future[Opened] | None, emit: Emit) -> None:
        transcript, notices = self.tools.transcription.transcribe(
            self.state.video(),
            self.request,
            sha256=digest.result,
            cancel=self.background.stop,
            after=engine.result if engine else None,
            on_progress=self.state.add_cues,
        )
        for notice in notices:
            emit(Noticed(notice))
        emit(Heard(transcript))

    def _open(self, content: Callable[[], str], emit: Emit) -> Opened:
        assert self.tools.connector
        connection, engine = self.tools.connector.connect(emit, self.background.stop, content)
        emit(EngineReady(engine))
        return connection, engine

    def _ask(
        self,
        opened: Future[Opened],
        reopen: Callable[[Emit], Opened],
        options: Future[ExtractOptions],
        known: Sequence[Future[Any]],
        emit: Emit,
    ) -> None:
        """Answer the question, then send all requests of the description.

        An engine that dies is restarted or replaced, and that one continues where it ended. If the question can't be
        answered, the description is made before the error is raised.
        """
        connection, engine = opened.result()
        from framelens.analysis.requests.request_executor import (
            EngineEnded,  # LangChain, which the opened engine has imported by now
        )

        opening = options.result().opening
        opening_seconds = opening.seconds if opening else None
        task, is_pooled = self.task, connection.engine.is_pooled
        for chances in reversed(range(_MOST_REPLACED + 1 if is_pooled else 2)):
            asking = self._orchestrator(task, connection, engine, emit)
            try:
                failure = self._answer(connection, known, emit)
                asking.run(opening_seconds)
                if failure:
                    raise failure
                return
            except EngineEnded as ended:
                if not chances:
                    raise ended.error from ended
                key = "engine_replaced" if is_pooled else "engine_restarted"
                emit(Noticed(Notice(key, {"reason": as_notice(ended.error)})))
                task = replace(task, done=asking.done)
            finally:
                connection.engine.leave()
            connection, engine = reopen(emit)

    def _answer(self, connection: EngineConnection, known: Sequence[Future[Any]], emit: Emit) -> AppError | None:
        """Answer the question of the request, if it has one; return why it can't be answered.

        Args:
            connection: The engine.
            known: The transcript and the digest, which an answer rests on.
            emit: Receives the events.

        Raises:
            EngineEnded: The engine has died.
            Paused: A search was paused; an answer that is being written is finished.
        """
        answerer, before = self.tools.answerer, self.state.now.answer or self.task.done.answer
        if answerer is None or not self.request.question.strip():
            return None
        if before and before.answers[0].state == "complete":
            emit(AnswerChanged(before, is_over=True))
            return None
        emit(StageStarted("answer"))
        try:
            frames, _ = self.state.chosen()
            reads = answerer.reads_screen(self.request.question) or connection.sight.needs_text
            self.state.facts(frames if reads else frames[:1])  # from then on, the thumbnails are cached
            for one in known:
                wait_for(one, self.state.check)
            with closing(answerer.answer(self._report(), connection, self.background.stop)) as events:
                for event in events:
                    emit(event)
                    if self.state.is_paused and not (event.is_over or event.answer.answers[0].answer):
                        raise Paused
        except Cancelled:
            raise
        except AppError as error:
            return self._without_answer(connection, error)
        return None

    def _without_answer(self, connection: EngineConnection, error: AppError) -> AppError:
        """Return why the question can't be answered. Raises EngineEnded if the engine has died."""
        from framelens.analysis.requests.request_executor import EngineEnded
        from framelens.core.refusals import may_be_dying

        is_engine = isinstance(error, EngineError) and may_be_dying(error)
        if is_engine and (death := connection.death()):
            raise EngineEnded(death) from error
        return error

    def _orchestrator(self, task: Task, connection: EngineConnection, engine: EngineInfo, emit: Emit) -> Orchestrator:
        from framelens.analysis.requests.orchestrator import Orchestrator
        from framelens.analysis.requests.request_executor import RunContext

        # A server may serve another model than last time; then its answers must not be mixed with the earlier ones.
        connection = replace(connection, conditions={**self.task.conditions, "served": engine.model})
        return Orchestrator(RunContext(task, self.template, connection, self.state, emit))

    # ---- the run itself

    def _until_frames(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        for event in self.background.until(video):
            yield event
            if isinstance(event, KeyframesChosen):
                return
            self.state.check()
        video.result()  # ended without frames: raises why
        raise VideoError("no_frames", name=readable(self.request.path.name))

    def _answers(self, engine: Future[Opened] | None, asking: Future[None] | None) -> Iterator[AnalysisEvent]:
        if engine is None or asking is None:
            yield self._applied(Noticed(Notice("no_model")))
            return
        if not engine.done():
            yield self._applied(StageStarted("engine"))
        while not engine.done():
            yield from self.background.drain()
            self.state.check()
            wait([engine], timeout=_POLL_SECONDS)
        yield from self._wait(asking)

    def _rest(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        """Yield the report with the facts so far, then the remaining facts.

        If they can't be measured, a notice reports it: the answers are complete.
        """
        yield from self._pending(video)
        try:
            yield from self._wait(video)
        except Cancelled:
            raise
        except AppError as error:
            if len(self.state.now.facts) == len(self.state.now.keyframes):
                raise
            yield self._applied(Noticed(facts_incomplete(error)))

    def _pending(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        """Yield the report without the facts that are still being measured; nothing where all of them are."""
        if not video.done():
            yield self._applied(StageStarted("facts", len(self.state.now.keyframes)))
            yield Answered(self._report(Notice("facts_pending", level="info")))

    def _settle(self, heard: Future[None], digest: Future[str]) -> Iterator[AnalysisEvent]:
        """Wait for both."""
        for part in (heard, digest):
            yield from self.background.until(part)

    def _wait(self, future: Future[T]) -> Iterator[AnalysisEvent]:
        yield from self.background.until(future)
        future.result()

    def _has_answers(self) -> bool:
        """Return whether a model has said anything usable, in this run or an earlier one."""
        answer = self.state.now.answer or self.task.done.answer
        return bool(self._merged_results()) or (answer is not None and answer.answers[0].is_usable)

    def _merged_results(self) -> tuple[ChunkResult, ...]:
        """Return the answers of this run and those of an earlier one that it has not replaced."""
        state = self.state.now
        return merge_answers(self.task.done, state.results, state.keyframes)

    def _report(self, *notices: Notice, is_failed: bool = False) -> Analysis:
        """Build the report from what is known now; `notices` hold for this one only."""
        state, done = self.state.now.with_stage_timed(), self.task.done
        if is_failed:
            merged, answer = self._merged_results(), state.answer or done.answer
            state = replace(state, results=merged, answer=answer, layout=state.layout or done.layout)
        with in_language(self.request.language):
            field_names = {one.key: one.name.text for one in self.template.fields}
        state = replace(
            state,
            notices=(*state.notices, *notices),
            engine=(state.engine or done.engine) if state.results else state.engine,
            header=ReportHeader(
                id=self.task.job_id,
                created=self.created,
                request=self.request,
                app_version=version("framelens"),
                conditions=self.task.conditions,
                field_names=field_names,
            ),
        )
        assert state.report
        return state.report
