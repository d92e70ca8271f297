"""Runs one analysis from file to finished Analysis, yielding typed events as things happen.

The engine starts, the file is hashed and the frames are chosen side by side; facts are measured while the engine
answers. Page, command line and tests are three listeners of this generator. Cancel is an event.

When something fails after the frames were chosen, `Finished` comes first with all that is there, then the error is
raised: nothing is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from app.analysis.ask import Asker, Frames, Speaker
from app.analysis.background import Background, Emit
from app.domain import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    ChunkDone,
    ChunkResult,
    DecodeSummary,
    EngineInfo,
    EngineProgress,
    FactsMeasured,
    Finished,
    FrameFacts,
    KeyframesChosen,
    Notice,
    Noticed,
    Probed,
    Stage,
    StageStarted,
    VideoEvent,
    VideoInfo,
)
from app.errors import AppError, Cancelled, InputError
from app.i18n import as_notice

T = TypeVar("T")
OpenEngine = Callable[[Callable[[EngineProgress], None], threading.Event], tuple[Speaker, EngineInfo]]


@dataclass(frozen=True)
class Tools:
    """What an analysis is made with; `app.wiring` puts in the real parts.

    extract(path, frames, cancel) yields VideoEvents; digest(path, cancel) is the SHA-256 in hex;
    open_engine(on_progress, cancel) gives a ready engine, and is None where there is none to ask.
    """

    extract: Callable[[Path, int, threading.Event], Iterator[VideoEvent]]
    digest: Callable[[Path, threading.Event], str]
    open_engine: OpenEngine | None


def analyse(request: AnalysisRequest, tools: Tools, *, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
    """Yield the events of the whole run; the last is Finished. Raises AppErrors, see the module's docstring."""
    with Background(cancel) as background:
        yield from _Run(request, tools, job_id, background).events()


class _Run:
    def __init__(self, request: AnalysisRequest, tools: Tools, job_id: str, background: Background) -> None:
        self.request = request
        self.tools = tools
        self.job_id = job_id
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.background = background
        self.video: VideoInfo | None = None
        self.sha256 = ""
        self.decode: DecodeSummary | None = None
        self.keyframes: Frames = ()
        self.facts: dict[int, FrameFacts] = {}
        self.chunks: list[ChunkResult] = []
        self.summary: ChunkResult | None = None
        self.engine: EngineInfo | None = None
        self.notices: list[Notice] = []
        self.seconds: dict[str, float] = {}
        self._stage: tuple[Stage, float] | None = None

    def events(self) -> Iterator[AnalysisEvent]:
        for event in self._all():
            self._note(event)
            yield event

    def _all(self) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        digest = self.background.start("digest", self._digest)
        video = self.background.start("video", self._video)
        opening = self.background.start("engine", self._open) if self._wants_model() else None
        yield from self._until_frames(video)
        try:
            yield from self._answers(opening, video)
            yield from self._to_the_end(video, digest)
        except Cancelled:
            raise
        except AppError as error:
            key = "incomplete" if self.chunks else "no_model_because"
            yield Noticed(Notice(key, {"reason": as_notice(error)}, "error"))
            yield from self._to_the_end(video, digest)
            yield Finished(self._analysis())
            raise
        yield Finished(self._analysis())

    def _wants_model(self) -> bool:
        return self.request.use_model and self.tools.open_engine is not None

    # ---- the parts that run side by side

    def _digest(self, _emit: Emit) -> str:
        return self.tools.digest(self.request.path, self.background.stop)

    def _video(self, emit: Emit) -> None:
        for event in self.tools.extract(self.request.path, self.request.frames, self.background.stop):
            emit(event)

    def _open(self, emit: Emit) -> tuple[Speaker, EngineInfo]:
        assert self.tools.open_engine
        return self.tools.open_engine(emit, self.background.stop)

    # ---- the run itself

    def _until_frames(self, video: Future[None]) -> Iterator[AnalysisEvent]:
        for event in self.background.until(video):
            yield event
            if isinstance(event, KeyframesChosen):
                return
        video.result()  # ended without frames: raises why
        raise InputError("no_frames", name=self.request.path.name)

    def _answers(
        self, opening: Future[tuple[Speaker, EngineInfo]] | None, video: Future[None]
    ) -> Iterator[AnalysisEvent]:
        if opening is None:
            yield Noticed(Notice("no_model"))
            return
        yield StageStarted("engine")
        speaker, self.engine = yield from self._wait(opening)
        asker = Asker(
            self.request, speaker, self.keyframes, lambda frames: self._facts_of(frames, video), self.background.cancel
        )
        for event in asker.chunks():
            yield event
            yield from self.background.drain()
        if len(self.chunks) > 1:
            yield StageStarted("summary", 1)
            self.summary = yield from asker.summary(self.chunks)

    def _facts_of(self, frames: Frames, video: Future[None]) -> Generator[AnalysisEvent, None, dict[int, FrameFacts]]:
        if any(frame.number not in self.facts for frame in frames):
            yield from self._wait(video)
        return self.facts

    def _to_the_end(self, video: Future[None], digest: Future[str]) -> Iterator[AnalysisEvent]:
        if not video.done():
            yield StageStarted("facts", len(self.keyframes))
        yield from self._wait(video)
        self.sha256 = yield from self._wait(digest)

    def _wait(self, future: Future[T]) -> Generator[AnalysisEvent, None, T]:
        yield from self.background.until(future)
        return future.result()

    def _note(self, event: AnalysisEvent) -> None:
        match event:
            case Probed(video):
                self.video = video
            case KeyframesChosen(keyframes, decode):
                self.keyframes, self.decode = keyframes, decode
                self.notices += decode.notices
            case FactsMeasured(facts):
                self.facts[facts.number] = facts
            case ChunkDone(result):
                self.chunks.append(result)
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

    def _analysis(self) -> Analysis:
        assert self.video and self.decode
        self._time_stage("done")
        return Analysis(
            id=self.job_id,
            created=self.created,
            request=self.request,
            video=self.video,
            sha256=self.sha256,
            decode=self.decode,
            keyframes=self.keyframes,
            facts=tuple(self.facts[number] for number in sorted(self.facts)),
            chunks=tuple(self.chunks),
            summary=self.summary,
            engine=self.engine,
            notices=tuple(self.notices),
            seconds_by_stage=dict(self.seconds),
            app_version=version("framelens"),
        )
