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
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.analysis.concurrency import ConcurrentEvents, Emit
from app.analysis.inputs.extraction_cache import ExtractionRequest
from app.analysis.pipeline_state import PipelineState
from app.analysis.planning.plan import SURELY_ONE_PART, RequestCapacity, choose_opening
from app.analysis.planning.time_parsing import range_notice
from app.analysis.prompts.templates import Template
from app.analysis.task import Task, facts_incomplete, merge_answers
from app.core import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    Answered,
    AppError,
    Cancelled,
    ChunkDone,
    ChunkResult,
    DecodeSummary,
    EngineInfo,
    EngineProgress,
    FactsMeasured,
    Finished,
    FrameFacts,
    Heard,
    InputError,
    KeyframesChosen,
    Layout,
    Notice,
    Noticed,
    Planned,
    Probed,
    Stage,
    StageStarted,
    Transcript,
    VideoEvent,
    VideoInfo,
    readable,
)
from app.i18n import as_notice
from app.video import Opening

if TYPE_CHECKING:
    from app.analysis.requests.orchestrator import Orchestrator
    from app.analysis.requests.request_executor import EngineConnection, Frames

    Opened = tuple[EngineConnection, EngineInfo]
    OpenEngine = Callable[[Callable[[EngineProgress], None], threading.Event], Opened]

T = TypeVar("T")
_POLL_SECONDS = 0.1
Hear = Callable[..., tuple[Transcript | None, tuple[Notice, ...]]]


@dataclass(frozen=True)
class Tools:
    """Dependencies of an analysis; `app.services.container` supplies the real ones.

    Attributes:
        probe: probe(path) of app.video, cached.
        extract: extract(path, wanted, cancel) of app.video, cached.
        digest: digest(path, cancel) returns the SHA-256 of the file, cached.
        hear: Transcriber, see app.analysis.inputs.transcription.
        open_engine: open_engine(on_progress, cancel) returns a ready engine; None if there is none.
        capacity: Capacity of a request by the settings, before the engine is ready.
        side: Longer side of sent frames in pixels by the settings; None lets the plan choose.
        template: template(key) returns a template or raises ConfigError.
        conditions: conditions(request) returns the settings that answers depend on.
    """

    probe: Callable[[Path], VideoInfo]
    extract: Callable[[Path, ExtractionRequest, threading.Event], Iterator[VideoEvent]]
    digest: Callable[[Path, threading.Event], str]
    hear: Hear
    open_engine: OpenEngine | None
    capacity: RequestCapacity
    side: int | None
    template: Callable[[str], Template]
    conditions: Callable[[AnalysisRequest], Mapping[str, str]]


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
        self.template = tools.template(task.request.template)
        self.conditions = dict(tools.conditions(task.request))
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.background = background
        self.state = PipelineState(task.control, background.stop)
        self.video: VideoInfo | None = None
        self.sha256 = ""
        self.decode: DecodeSummary | None = None
        self.keyframes: Frames = ()
        self.facts: dict[int, FrameFacts] = {}
        self.layout: Layout | None = None
        self.results: dict[int, ChunkResult] = {}
        self.transcript: Transcript | None = None
        self.engine: EngineInfo | None = None
        self.notices: list[Notice] = []
        self.seconds: dict[str, float] = {}
        self._stage: tuple[Stage, float] | None = None

    def events(self) -> Iterator[AnalysisEvent]:
        """Yield the events of a run, and record the results that they carry."""
        for event in self._all():
            self._note(event)
            yield event

    def missing_facts(self, report: Analysis) -> Iterator[AnalysisEvent]:
        """Yield the facts that an interrupted run had not measured, then the report with them. No model is asked."""
        yield StageStarted("facts", len(report.keyframes))
        facts = {one.number: one for one in report.facts}
        notices = tuple(notice for notice in report.notices if notice.key != "facts_pending")
        opening = self.background.start("opening", lambda _: self._opening())
        video = self.background.start("video", lambda emit: self._read(opening, emit))
        try:
            for event in self._wait(video):
                if isinstance(event, KeyframesChosen):
                    self._check_same(report, event.keyframes)
                elif isinstance(event, FactsMeasured):
                    facts[event.facts.number] = event.facts
                    yield event
        except Cancelled:
            raise
        except AppError as error:
            notices += (facts_incomplete(error),)
        yield Finished(replace(report, facts=tuple(facts[number] for number in sorted(facts)), notices=notices))

    def _check_same(self, report: Analysis, frames: Frames) -> None:
        """Raise InputError("video_changed") where `frames` are not those of the report."""
        if [frame.time_seconds for frame in frames] != [frame.time_seconds for frame in report.keyframes]:
            raise InputError("video_changed", name=report.video.name)

    def _all(self) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        if notice := range_notice(self.request.selection):
            yield Noticed(notice)
        start = self.background.start
        opening = start("opening", lambda _: self._opening())
        digest = start("digest", self._digest)
        video = start("video", lambda emit: self._read(opening, emit))
        engine = start("engine", self._open) if self._wants_model() else None
        heard = start("hearing", lambda emit: self._hear(digest, engine, emit))
        asking = start("asking", lambda emit: self._ask(engine, opening, emit)) if engine else None
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
            key = "incomplete" if merge_answers(self.task.done, self.results, self.keyframes) else "no_model_because"
            yield Noticed(Notice(key, {"reason": as_notice(error)}, "error"))
            yield from self._settle(heard, digest)
            self.results = merge_answers(self.task.done, self.results, self.keyframes)
            self.layout = self.layout or self.task.done.layout
            if not self.results:  # a report of facts alone: show it at once
                yield from self._pending(video)
            yield from self.background.until(video)
            yield Finished(self._analysis())
            raise
        yield Finished(self._analysis())

    def _wants_model(self) -> bool:
        return self.request.use_model and self.tools.open_engine is not None

    def _opening(self) -> Opening | None:
        """Return the opening to ask about early, if any. Probing takes a moment, so few frames skip it."""
        if not self._wants_model() or self.request.frames <= SURELY_ONE_PART:
            return None
        return choose_opening(self.tools.probe(self.request.path), self.request, self.tools.capacity, self.tools.side)

    # ---- parallel tasks

    def _digest(self, _emit: Emit) -> str:
        return self.tools.digest(self.request.path, self.background.stop)

    def _read(self, opening: Future[Opening | None], emit: Emit) -> None:
        try:
            wanted = ExtractionRequest(self.request.frames, self.request.selection, opening=opening.result())
            for event in self.tools.extract(self.request.path, wanted, self.background.stop):
                self.state.note(event)
                emit(event)
        except BaseException as error:
            self.state.fail(error)
            raise

    def _hear(self, digest: Future[str], engine: Future[Opened] | None, emit: Emit) -> None:
        transcript, notices = self.tools.hear(
            self.state.video(),
            self.request,
            sha256=digest.result,
            cancel=self.background.stop,
            after=engine.result if engine else None,
            on_progress=self.state.add_cues,
        )
        for notice in notices:
            emit(Noticed(notice))
        self.state.note(Heard(transcript))
        emit(Heard(transcript))

    def _open(self, emit: Emit) -> Opened:
        assert self.tools.open_engine
        return self.tools.open_engine(emit, self.background.stop)

    def _ask(self, opened: Future[Opened], opening: Future[Opening | None], emit: Emit) -> None:
        """Send all requests; an engine that dies is restarted once, and the new one continues where it ended."""
        connection, self.engine = opened.result()
        from app.analysis.requests.request_executor import (
            EngineEnded,  # LangChain, which the opened engine has imported by now
        )

        early = opening.result()
        opening_seconds = early.seconds if early else None
        asking = self._orchestrator(self.task, connection, emit)
        try:
            asking.run(opening_seconds)
        except EngineEnded as ended:
            emit(Noticed(Notice("engine_restarted", {"reason": as_notice(ended.error)})))
            connection, self.engine = self._open(emit)
            try:
                self._orchestrator(replace(self.task, done=asking.done), connection, emit).run(opening_seconds)
            except EngineEnded as again:
                raise again.error from again

    def _orchestrator(self, task: Task, connection: EngineConnection, emit: Emit) -> Orchestrator:
        from app.analysis.requests.orchestrator import Orchestrator

        # A server may serve another model than last time; then its answers must not be mixed with the earlier ones.
        served = self.engine.model if self.engine else ""
        connection = replace(connection, conditions={**self.conditions, "served": served})
        return Orchestrator(task, self.template, connection, self.state, emit, self.background.stop)

    # ---- the run itself

    def _until_frames(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        for event in self.background.until(video):
            yield event
            if isinstance(event, KeyframesChosen):
                return
            self.state.check()
        video.result()  # ended without frames: raises why
        raise InputError("no_frames", name=readable(self.request.path.name))

    def _answers(self, engine: Future[Opened] | None, asking: Future[None] | None) -> Iterator[AnalysisEvent]:
        if engine is None or asking is None:
            yield Noticed(Notice("no_model"))
            return
        if not engine.done():
            yield StageStarted("engine")
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
            if len(self.facts) == len(self.keyframes):
                raise
            yield Noticed(facts_incomplete(error))

    def _pending(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        """Yield the report without the facts that are still being measured; nothing where all of them are."""
        if not video.done():
            yield StageStarted("facts", len(self.keyframes))
            yield Answered(self._analysis(Notice("facts_pending", level="info")))

    def _settle(self, heard: Future[None], digest: Future[str]) -> Iterator[AnalysisEvent]:
        """Wait for both, and use what they found."""
        for part in (heard, digest):
            yield from self.background.until(part)
        if digest.exception() is None:
            self.sha256 = digest.result()

    def _wait(self, future: Future[T]) -> Iterator[AnalysisEvent]:
        yield from self.background.until(future)
        future.result()

    def _note(self, event: AnalysisEvent) -> None:
        match event:
            case Probed(video):
                self.video = video
            case KeyframesChosen(keyframes, decode):
                self.keyframes, self.decode = keyframes, decode
                self.notices += decode.notices
            case FactsMeasured(facts):
                self.facts[facts.number] = facts
            case Heard(transcript):
                self.transcript = transcript
            case Planned(layout):
                self.layout = layout
            case ChunkDone(result):
                self.results[result.number] = result
            case Noticed(notice) if notice not in self.notices:
                self.notices.append(notice)
            case StageStarted(stage, _):
                self._time_stage(stage)
            case _:
                pass

    def _time_stage(self, stage: Stage) -> None:
        now = time.monotonic()
        if self._stage:
            name, since = self._stage
            self.seconds[name] = round(self.seconds.get(name, 0.0) + now - since, 3)
        self._stage = (stage, now)

    def _analysis(self, *notices: Notice) -> Analysis:
        """Build the report from what is known now; `notices` hold for this one only."""
        assert self.video and self.decode
        self._time_stage("facts" if notices else "done")
        by_number = sorted(self.results.items())
        return Analysis(
            id=self.task.job_id,
            created=self.created,
            request=self.request,
            video=self.video,
            sha256=self.sha256,
            decode=self.decode,
            keyframes=self.keyframes,
            facts=tuple(self.facts[number] for number in sorted(self.facts)),
            chunks=tuple(result for number, result in by_number if number > 0),
            summary=self.results.get(0),
            engine=self.engine or (self.task.done.engine if self.results else None),
            notices=(*self.notices, *notices),
            seconds_by_stage=dict(self.seconds),
            app_version=version("framelens"),
            layout=self.layout,
            joins=tuple(result for number, result in by_number if number < 0),
            transcript=self.transcript,
            conditions=self.conditions,
            field_names=self._field_names(),
        )

    def _field_names(self) -> dict[str, str]:
        return {one.key: one.name.of(self.request.language) for one in self.template.fields}
