"""The services of the app with a scripted analysis and a scripted engine: real store, real queue, real shelf.

For what cannot be had on demand: an engine that fails, an answer in text mode, a job that waits in mid-answer.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from framelens import config
from framelens.analysis.planning.estimate import Planner
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.planning.time_parsing import range_notice
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.task import Control, Task
from framelens.composition import Services
from framelens.core.analysis_state import AnalysisUpdate, updates
from framelens.core.domain import (
    Analysis,
    AnalysisRequest,
    Boundary,
    ChunkResult,
    ColourArea,
    DecodeSummary,
    EngineInfo,
    Finding,
    FrameFacts,
    Keyframe,
    Measures,
    Notice,
    ScreenText,
    Shot,
    Stretch,
    Usage,
    VideoInfo,
)
from framelens.core.errors import Cancelled, Paused
from framelens.core.events import (
    AnalysisEvent,
    AnswerDelta,
    ChunkDone,
    FactsMeasured,
    Finished,
    KeyframeFound,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Probed,
    StageStarted,
)
from framelens.engine.base import Endpoint, Engine, EngineStatus
from framelens.jobs.engine_session import SharedParts
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.database import Store
from framelens.store.locks import ProcessLock
from framelens.store.model_records import KnownTimings
from framelens.store.videos.video_repository import VideoRepository
from tests.cards import draw_card, to_jpeg

TEXT_MODE = Notice("text_mode", {"reason": Notice("pictures_dropped", {"tokens": 10})})
ANSWER = "1: a red card; 2: a blue card\nSummary: red, then blue [frame 2]."
COLOURS = ("red", "blue")


@dataclass
class ScriptedEngine(Engine):
    """An engine that is whatever its status says."""

    now: EngineStatus = field(default_factory=lambda: EngineStatus("stopped", "vllm", "/models/Tiny-VL"))

    def status(self) -> EngineStatus:
        return self.now

    def end_if_unwell(self) -> None:
        """It is well."""

    def log_tail(self, lines: int = 200) -> str:
        return "INFO loading weights\n"

    def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
        raise AssertionError("the scripted analysis asks no engine")

    def note_sight(self, sees: bool | None) -> None:
        """The scripted analysis proves nothing."""

    def stop(self) -> None:
        self.now = replace(self.now, state="stopped")


Run = Callable[[Task], Iterator[AnalysisEvent]]


def with_states(run: Run) -> Callable[[Task], Iterator[AnalysisUpdate]]:
    """The same run with the state after each event, as `analyse` yields it."""
    return lambda task: updates(run(task), task.done.state)


@dataclass(frozen=True)
class ScriptedSession:
    """An engine session whose analyses do what the script yields."""

    settings: config.Settings
    templates: Templates
    engine: Any
    notices: tuple[Notice, ...]
    planner: Planner
    run: Callable[[Task], Iterator[AnalysisUpdate]]

    def conditions(self, request: AnalysisRequest) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self.engine.stop()


def open_fake(folder: Path, *, run: Run, sample: Path, input_dirs: tuple[Path, ...] = ()) -> Services:
    """Services in `folder` whose jobs do what `run` yields."""
    model = folder / "weights" / "Tiny-VL"
    model.mkdir(parents=True, exist_ok=True)
    environ = {"FRAMELENS_DATA_DIR": str(folder), "VLLM_MODEL_PATH": str(model)}
    settings = replace(config.load(environ, dotenv=folder / "no.env"), input_dirs=input_dirs)
    store = Store(folder / "framelens.sqlite")
    engine = ScriptedEngine()
    session = ScriptedSession(
        settings=settings,
        templates=Templates(),
        engine=engine,
        notices=(Notice("sight_unknown"),),
        planner=Planner(lambda *_: None, RequestCapacity(8192, 1024), None, KnownTimings, lambda *_: None),
        run=with_states(run),
    )
    return Services(
        switcher=EngineSwitcher(session),
        jobs=queue(store, run, folder),
        videos=VideoRepository(folder, input_dirs, sample),
        log_path=folder / "framelens.log",
        shared=SharedParts(store),
        templates=Templates(settings.template_dir),
    )


def with_bench(services: Services, **changes: Any) -> Services:
    """The same services at a workbench that differs in this."""
    return replace(services, switcher=EngineSwitcher(replace(services.switcher.session, **changes)))


@dataclass(frozen=True)
class NoFiles:
    """Extractions that know this digest of every file."""

    sha256: str | None = None

    def quick_sha256(self, path: Path) -> str | None:
        return self.sha256


def queue(
    store: Store,
    run: Run,
    folder: Path,
    *,
    sha256: str | None = None,
    conditions: Callable[[AnalysisRequest], Mapping[str, str]] = lambda request: {},
    **options: int,
) -> Jobs:
    """A queue on this store in which nothing is the same as anything, unless a digest is given."""
    session: Any = SimpleNamespace(run=with_states(run), conditions=conditions)
    lock = ProcessLock(folder / "running")
    log_path, files = folder / "framelens.log", NoFiles(sha256)
    return Jobs(store, lock, EngineSwitcher(session), files, log_path=log_path, **options)  # type: ignore[arg-type]


def video_info(path: Path) -> VideoInfo:
    return VideoInfo(
        path, path.name, 1000, "mov,mp4,m4a", "h264", "yuv420p", 64, 48, 0, 2.0, 10.0, 20, 0.0, has_audio=False
    )


def keyframes(numbered: bool = True, times: tuple[float, ...] = (0.0, 1.0)) -> tuple[Keyframe, ...]:
    """Frames of two colours in turn, ten to the second; two of them, at 0 and at 1 second, unless told otherwise."""
    return tuple(
        Keyframe(
            number=place + 1 if numbered else 0,
            frame_index=int(time * 10),
            time_seconds=time,
            reason="first" if place == 0 else "shot",
            shot=1 + int(time),
            width=64,
            height=48,
            jpeg=to_jpeg(draw_card(COLOURS[place % 2], width=64, height=48)),
        )
        for place, time in enumerate(times)
    )


def decode() -> DecodeSummary:
    """Two shots of a second with everything that a timeline can show."""
    change = tuple(0.9 if place == 5 else 0.1 for place in range(16))
    return DecodeSummary(
        20,
        2.0,
        False,
        "opencv",
        (Shot(1, 0.0, 1.0), Shot(2, 1.0, 2.0)),
        boundaries=(Boundary(0.8, 1.0, "dissolve"),),
        measures=Measures(0.125, change, change, change, change, change),
        stretches=(Stretch(1.5, 2.0, "frozen"),),
    )


def facts() -> tuple[FrameFacts, ...]:
    text = (ScreenText("SALE <b>50%</b> ![x](http://evil.example/x.png)", 0.9, (0.0, 0.0, 1.0, 0.2)),)
    colour = (ColourArea("black", (0, 0, 0), 0.5, "all"),)
    return (FrameFacts(1, text, colour, 0.5, 120.0, None), FrameFacts(2, (), colour, 0.4, 80.0, 0.3))


def chunk(mode: str = "text", answer: str = ANSWER) -> ChunkResult:
    found = (Finding("a red card", (1,)), Finding("a blue card", (2,)))
    whole = (Finding("red, then blue", (1, 2)), Finding("a cat at 01:30", (), ("no_frame", "own_time")))
    why = TEXT_MODE if mode == "text" else None
    usage = Usage(120, 20)
    return ChunkResult(1, (1, 2), mode, answer, found, whole, "PROMPT", "stop", usage, 1.5, why)  # type: ignore[arg-type]


def analysis(request: AnalysisRequest, job_id: str, *, chunks: tuple[ChunkResult, ...]) -> Analysis:
    part = range_notice(request.selection)
    return Analysis(
        id=job_id,
        created="2026-01-02T03:04:05.000+00:00",
        request=request,
        video=video_info(request.path),
        sha256="ab" * 32,
        decode=decode(),
        keyframes=keyframes(times=request.selection.times_seconds or (0.0, 1.0)),
        facts=facts(),
        chunks=chunks,
        summary=None,
        engine=EngineInfo("vllm", "/models/Tiny-VL", "http://127.0.0.1:1/v1", "0.32.0", 8192, sees=False),
        notices=(*([part] if part else []), TEXT_MODE if chunks else Notice("no_model")),
        seconds_by_stage={"survey": 1.0, "ask": 2.0},
        app_version="0.1.0",
    )


def unusable_chunk() -> ChunkResult:
    """An answer that says nothing about the frames."""
    return replace(chunk(), answer="{}", findings=(), overview=(), troubles=("empty",))


def script(
    *, hold: threading.Event | None = None, with_model: bool = True, answer: Callable[[], ChunkResult] = chunk
) -> Run:
    """A whole analysis; with `hold` it waits in the middle of its answer until that is set, or it is cancelled."""

    def run(task: Task) -> Iterator[AnalysisEvent]:
        request, job_id = task.request, task.job_id
        yield StageStarted("survey")
        yield Probed(video_info(request.path))
        yield from (KeyframeFound(frame) for frame in keyframes(numbered=False))
        yield KeyframesChosen(keyframes(times=request.selection.times_seconds or (0.0, 1.0)), decode())
        yield StageStarted("facts", 2)
        yield from (FactsMeasured(frame_facts) for frame_facts in facts())
        asked = request.use_model and with_model
        if asked:
            yield StageStarted("ask", 1)
            yield ModeChosen(1, "text", TEXT_MODE)
            yield Noticed(TEXT_MODE)
            yield AnswerDelta(1, ANSWER[:20])
            wait(hold, task.control)
            yield AnswerDelta(1, ANSWER[20:])
            yield ChunkDone(answer())
        yield Finished(analysis(request, job_id, chunks=(answer(),) if asked else ()))

    return run


def wait(hold: threading.Event | None, control: Control) -> None:
    """Until `hold` is set, or the run is to stop."""
    while hold and not hold.wait(0.02):
        if control.cancel.is_set():
            raise Cancelled
        if control.pause.is_set():
            raise Paused


def ended(services: Services, job_id: str) -> JobSnapshot:
    """The job once it is over; the test's own time limit ends the wait for a job that never is."""
    while not (job := services.jobs.snapshot(job_id)).is_over:
        time.sleep(0.01)
    return job
