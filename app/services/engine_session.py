"""An engine with everything built for it from its settings: analysis, planner and load monitor.

Another model needs another session. Nothing heavy is loaded before it is needed.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from app.analysis import (
    ExtractionRequest,
    Measure,
    Planner,
    RequestCapacity,
    Task,
    Templates,
    digest,
    open_extraction_cache,
)
from app.analysis.prompts import prompts
from app.config import Settings
from app.core import (
    AnalysisEvent,
    AnalysisRequest,
    AppError,
    EngineInfo,
    EngineProgress,
    Layout,
    ModelNotFound,
    Notice,
    VideoInfo,
)
from app.engine import (
    Engine,
    EngineMetricsReader,
    LocalEngine,
    NullEngine,
    ProgressListener,
    RemoteEngine,
    installed_vllm,
    is_offline,
    resolve_model,
    speech_launcher,
    transformers_launcher,
    vllm_launcher,
)
from app.services.preflight import computes_wide, refuse
from app.store import ConfirmedDownloads, ExtractionStore, TimingStats
from app.video import Opening

if TYPE_CHECKING:
    from app.analysis import EngineConnection, EngineConnector, TokenCostMeter, Tools, Transcription
    from app.jobs import Run
    from app.llm.cache import AnswerCache

T = TypeVar("T")
_CLIENT_MODULES = (
    "app.analysis.pipeline",
    "app.analysis.requests.orchestrator",
    "app.analysis.requests.engine_connector",
    "openai.resources.chat.completions",  # which the client imports at its first request
    "numpy",
)
_importing = threading.Lock()

Fetch = Callable[[ProgressListener, threading.Event], Path]
_SIDE_ON_CPU = 448
"""Longer side of sent frames on a CPU, which needs seconds for a frame: the smallest that keeps captions readable."""


@dataclass(frozen=True)
class EngineSession:
    """An engine and everything built for it.

    Attributes:
        notices: Changes made to the settings to fit this machine.
        run: Runs one analysis and yields its events.
        load: Reads the current load of the engine.
    """

    settings: Settings
    engine: Engine
    notices: tuple[Notice, ...]
    planner: Planner
    run: Run
    load: EngineMetricsReader

    def close(self) -> None:
        """Stop the engine; it starts again when it is needed."""
        self.engine.stop()


def open_session(settings: Settings, templates: Templates) -> EngineSession:
    """Build the session that these settings describe, without starting the engine."""
    engine, notices = build_engine(settings)
    opener = _Lazy(partial(_opener, settings, engine))
    return EngineSession(
        settings=settings,
        engine=engine,
        notices=notices,
        planner=_planner(settings, engine, opener),
        run=_runner(settings, _tools(settings, templates, opener)),
        load=EngineMetricsReader(engine, base_url=settings.base_url, api_key=settings.api_key),
    )


def pass_on(settings: Settings) -> None:
    """Copy variables of `.env` for the hub's client and the engine to the environment, which takes precedence."""
    for name, value in settings.passed_on.items():
        os.environ.setdefault(name, value)


def build_engine(settings: Settings) -> tuple[Engine, tuple[Notice, ...]]:
    """Build the engine that the settings describe.

    Returns:
        The engine, an AbsentEngine if it cannot be built, and notices about changes made to fit this machine.
    """
    if settings.base_url:
        return RemoteEngine(settings.base_url, settings.api_key, settings.asked_model), ()
    pass_on(settings)
    try:
        if settings.engine == "transformers":
            launcher = transformers_launcher(settings.model_path, port=settings.engine_port)
        else:
            launcher = vllm_launcher(
                settings.model_path, settings.vllm_config, port=settings.engine_port, wide=computes_wide(settings)
            )
    except AppError as error:
        return NullEngine(settings.model_path, error), ()
    launcher = replace(launcher, inspect=partial(refuse, settings), fetch=partial(_fetch, settings, launcher.fetch))
    return LocalEngine(launcher, log_dir=settings.data_dir / "engine"), launcher.notices


def confirmed_downloads(settings: Settings) -> ConfirmedDownloads:
    """Return the downloads that the user has confirmed."""
    return ConfirmedDownloads(settings.data_dir / "downloads.json")


def _fetch(settings: Settings, fetch: Fetch, on_progress: ProgressListener, cancel: threading.Event) -> Path:
    """Fetch the model, but download it only if that was confirmed.

    Raises:
        ModelNotFound: "model_unconfirmed", or what `fetch` raises.
    """
    found = resolve_model(settings.model_path)
    if found.folder is not None or found.hub_id is None or is_offline():
        return fetch(on_progress, cancel)
    confirmed = confirmed_downloads(settings)
    if not confirmed.holds(found.hub_id):
        raise ModelNotFound("model_unconfirmed", model=found.hub_id)
    folder = fetch(on_progress, cancel)
    confirmed.remove(found.hub_id)
    return folder


def runner(settings: Settings, engine: Engine, templates: Templates) -> Run:
    """Build the function that runs one analysis with this engine."""
    return _runner(settings, _tools(settings, templates, _Lazy(partial(_opener, settings, engine))))


class _Lazy(Generic[T]):
    """An object shared by all analyses, made when it is first needed."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        with self._lock:
            self._made = self._made or self._make()
            return self._made


def _runner(settings: Settings, tools: Callable[[], Tools]) -> Run:
    paces = _paces(settings)

    def run(task: Task) -> Iterator[AnalysisEvent]:
        from app.analysis import record_stats
        from app.analysis.pipeline import analyse

        return record_stats(analyse(task, tools()), task, paces, _engine_name(settings))

    return run


def _planner(settings: Settings, engine: Engine, opener: Callable[[], EngineConnector]) -> Planner:
    measuring: list[TokenCostMeter] = []

    def measure(
        request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]
    ) -> tuple[Layout, RequestCapacity] | None:
        if engine.status().state != "ready":
            return None
        from app.analysis import TokenCostMeter

        if not measuring:
            measuring.append(TokenCostMeter(opener().current))
        return measuring[0](request, video, words)

    return _planned(settings, measure)


def _planned(settings: Settings, measure: Measure) -> Planner:
    recall = open_extraction_cache(settings.data_dir)

    def is_read(video: VideoInfo, request: AnalysisRequest, opening: Opening | None) -> bool:
        return recall.is_known(video.path, ExtractionRequest(request.frames, request.selection, opening=opening))

    return Planner(
        measure=measure,
        is_read=is_read,
        capacity=expected_room(settings),
        side=usual_side(settings),
        in_flight=settings.in_flight,
        known=partial(_paces(settings).of, _engine_name(settings)),
    )


def open_planner(settings: Settings) -> Planner:
    """Build a planner that estimates an analysis from settings and earlier runs alone, without asking an engine."""
    return _planned(settings, lambda *_: None)


def _paces(settings: Settings) -> TimingStats:
    return TimingStats(settings.data_dir / "paces.json")


def _engine_name(settings: Settings) -> str:
    """Return a text that identifies an engine with its model and settings."""
    config = {} if settings.base_url else settings.vllm_config
    return json.dumps([settings.base_url or settings.engine, settings.model_path, config], sort_keys=True)


def conditions(settings: Settings, templates: Templates, request: AnalysisRequest) -> dict[str, str]:
    """Return the settings that the answers to a request depend on, by their name below `condition.` in i18n."""
    from app import video

    known = {"app": f"{version('framelens')} ({video.version()})"}
    if not request.use_model:
        return known
    template = templates.by_key.get(request.template)
    weights = None if settings.base_url else _weights(settings)
    is_vllm = settings.engine == "vllm" and not settings.base_url
    model = settings.asked_model if settings.base_url else settings.model_path
    return {
        **known,
        "engine": settings.base_url or f"{settings.engine} {_engine_version(settings)}".strip(),
        "model": model + (f" ({_changed(weights)})" if weights else ""),
        "vllm_config": json.dumps(settings.vllm_config, sort_keys=True) if is_vllm else "",
        "answer_tokens": str(settings.answer_tokens),
        "frame_side": str(settings.frame_side or ""),
        "answer_form": settings.answer_form,
        "prompt": prompts.digest(request.language)[:8],
        "template": f"{request.template} {digest(template)[:8]}" if template else request.template,
        "speech": settings.speech_base_url or settings.speech_model_path,
    }


def _engine_version(settings: Settings) -> str:
    """Return the version of the local engine, "" if it is not installed."""
    if settings.engine == "vllm":
        return (installed_vllm() or ("", ""))[1]
    try:
        return version(settings.engine)
    except PackageNotFoundError:
        return ""


def usual_side(settings: Settings) -> int | None:
    """Return the longer side of sent frames in pixels, None if it depends on their number."""
    on_cpu = not settings.base_url and (installed_vllm() or ("cpu", ""))[0] == "cpu"
    return settings.frame_side or (_SIDE_ON_CPU if on_cpu else None)


def expected_room(settings: Settings) -> RequestCapacity:
    """Return the size of a request as far as the settings determine it before the engine runs."""
    max_model_len = None if settings.base_url else settings.vllm_config.get("max_model_len")
    return RequestCapacity(max_model_len if isinstance(max_model_len, int) else None, settings.answer_tokens)


def build_hearing(settings: Settings) -> Transcription:
    """Build the reader of subtitles, which also transcribes speech if a model for that is set."""
    from app.analysis import Transcription

    surveys = ExtractionStore(settings.data_dir / "surveys")
    return Transcription(
        _speech_engine(settings), surveys, language=settings.speech_language, timeout_seconds=settings.timeout_seconds
    )


def _speech_engine(settings: Settings) -> Engine | None:
    if settings.speech_base_url:
        return RemoteEngine(settings.speech_base_url, settings.speech_api_key, settings.speech_model_path)
    if not settings.speech_model_path:
        return None
    try:
        launcher = speech_launcher(settings.speech_model_path, settings.speech_config)
    except AppError as error:
        return NullEngine(settings.speech_model_path, error)
    return LocalEngine(launcher, log_dir=settings.data_dir / "speech-engine")


def _tools(settings: Settings, templates: Templates, opener: Callable[[], EngineConnector]) -> Callable[[], Tools]:
    """Return a function that builds the tools of all analyses once.

    LangChain is slow to import, so it is imported only when an engine is asked: the video is opened before that, and an
    analysis without a model never waits for it.
    """

    def open_engine(
        on_progress: Callable[[EngineProgress], None], cancel: threading.Event
    ) -> tuple[EngineConnection, EngineInfo]:
        return opener()(on_progress, cancel)

    def make() -> Tools:
        from app.analysis import Tools
        from app.video import probe

        recall = open_extraction_cache(settings.data_dir)
        return Tools(
            probe=probe,
            extract=recall.extract,
            digest=recall.sha256,
            hear=build_hearing(settings),
            open_engine=open_engine,
            capacity=expected_room(settings),
            side=usual_side(settings),
            template=templates.find,
            conditions=partial(conditions, settings, templates),
        )

    return _Lazy(make)


def import_engine_client() -> None:
    """Import the client of the engine: LangChain and its dependencies, about a thousand modules.

    Only one thread at a time: with circular imports, two threads could see a partially initialised module.
    """
    with _importing:
        for name in _CLIENT_MODULES:
            import_module(name)


def _opener(settings: Settings, engine: Engine) -> EngineConnector:
    import_engine_client()
    from app.analysis import EngineConnector

    return EngineConnector(
        engine,
        answers=partial(_answers, settings),
        answer_tokens=settings.answer_tokens,
        timeout_seconds=settings.timeout_seconds,
        side=usual_side(settings),
        in_flight=settings.in_flight,
        takes_schema=settings.answer_form == "schema",
        traced=settings.tracing,
    )


def _answers(settings: Settings) -> AnswerCache | None:
    """Open the cache of this model's answers; None for a remote engine, which may serve another model by now."""
    from app.llm.cache import AnswerCache

    if settings.base_url or (folder := _weights(settings)) is None:
        return None
    model = {
        "folder": str(folder),
        "changed": _changed(folder),
        "engine": settings.engine,
        "tokens": settings.answer_tokens,
    }
    return AnswerCache(
        settings.data_dir / "answers.sqlite", json.dumps({**model, **settings.vllm_config}, sort_keys=True)
    )


def _weights(settings: Settings) -> Path | None:
    """Return the folder of the model, None if it is not on this machine."""
    try:
        return resolve_model(settings.model_path).folder
    except AppError:  # starting the engine will report what is wrong
        return None


def _changed(folder: Path) -> int:
    """Return the modification time of the newest file of a model in nanoseconds."""
    return max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
