"""From Settings to the concrete parts: the one place that knows which engine, store, shelf and tools are used."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from app import config
from app.analysis.forecast import Measure, Planner
from app.analysis.plan import Room
from app.analysis.recall import Recall, Wanted
from app.analysis.task import Task
from app.analysis.templates import Templates, digest, load
from app.config import Settings
from app.domain import AnalysisEvent, AnalysisRequest, Layout, Notice, VideoInfo
from app.engine import (
    AbsentEngine,
    Engine,
    ManagedEngine,
    RemoteEngine,
    installed_vllm,
    resolve_model,
    speech_launcher,
    transformers_launcher,
    vllm_launcher,
)
from app.errors import AppError, StorageError
from app.store.owner import Owner
from app.store.paces import Paces
from app.store.store import Store
from app.store.surveys import Surveys
from app.store.videos import VideoShelf
from app.video import Opening

if TYPE_CHECKING:
    from app.analysis.connecting import Opener
    from app.analysis.hearing import Hearing
    from app.analysis.measuring import Measuring
    from app.analysis.run import Tools
    from app.jobs import Jobs, Run
    from app.llm.cache import Answers

SAMPLE = Path(str(files("app") / "samples" / "sample.mp4"))
# A CPU needs seconds for a frame; at this size it is the smallest that keeps captions readable.
_SIDE_ON_CPU = 448


@dataclass(frozen=True)
class Services:
    """What pages, routes and the command line use. `close` ends the jobs, then the engine."""

    settings: Settings
    engine: Engine
    engine_notices: tuple[Notice, ...]
    jobs: Jobs
    videos: VideoShelf
    log_path: Path
    store: Store
    templates: Templates
    planner: Planner

    def close(self) -> None:
        self.jobs.close()
        self.engine.stop()
        self.store.close()


def open_services(settings: Settings | None = None, *, adopts: bool = True) -> Services:
    """Build everything; nothing heavy starts before it is needed. `adopts`: jobs that other programs left behind go on.

    Raises ConfigError or StorageError.
    """
    from app.jobs import Jobs, Sameness  # the commands do without

    settings = settings or config.load()
    log_path = log_to(settings.data_dir)
    engine, notices = build_engine(settings)
    store = Store(settings.data_dir / "framelens.sqlite")
    templates = load(settings.template_dir)
    same = Sameness(partial(conditions, settings, templates), open_recall(settings).quick_sha256)
    owner = Owner(settings.data_dir / "running")
    tools = _Later(settings, engine, templates)
    return Services(
        settings=settings,
        engine=engine,
        engine_notices=notices,
        jobs=Jobs(store, owner, _runner(settings, tools), same, log_path=log_path, adopts=adopts),
        templates=templates,
        planner=_planner(settings, engine, tools),
        videos=VideoShelf(settings.data_dir / "videos", settings.input_dirs, SAMPLE),
        log_path=log_path,
        store=store,
    )


def log_to(data_dir: Path) -> Path:
    """Send the log of everything under `app` to a file in the data folder, 5 MB at most, twice."""
    path = data_dir / "framelens.log"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=5_000_000, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise StorageError("data_dir_unwritable", path=str(data_dir), reason=str(error)) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("app")
    for old in [one for one in logger.handlers if isinstance(one, RotatingFileHandler)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return path


def build_engine(settings: Settings) -> tuple[Engine, tuple[Notice, ...]]:
    """The engine that the settings name, and what was changed in them to fit this machine."""
    if settings.base_url:
        model = settings.model_path if settings.model_chosen else ""
        return RemoteEngine(settings.base_url, settings.api_key, model), ()
    for name, value in settings.passed_on.items():  # the hub's client and the engine read the environment
        os.environ.setdefault(name, value)
    try:
        if settings.engine == "transformers":
            launcher = transformers_launcher(settings.model_path, port=settings.engine_port)
        else:
            launcher = vllm_launcher(settings.model_path, settings.vllm_config, port=settings.engine_port)
    except AppError as error:
        return AbsentEngine(settings.model_path, error), ()
    return ManagedEngine(launcher, log_dir=settings.data_dir / "engine"), launcher.notices


def runner(settings: Settings, engine: Engine, templates: Templates) -> Run:
    """`run(task)`: one analysis with the real parts."""
    return _runner(settings, _Later(settings, engine, templates))


class _Later:
    """The tools of all analyses, made when they are needed first: LangChain takes two seconds to import, the page shows
    before that, and an analysis has them to spare.
    """

    def __init__(self, settings: Settings, engine: Engine, templates: Templates) -> None:
        self._make = partial(_tools, settings, engine, templates)
        self._made: tuple[Tools, Opener] | None = None
        self._lock = Lock()

    def __call__(self) -> tuple[Tools, Opener]:
        with self._lock:
            self._made = self._made or self._make()
            return self._made


def _runner(settings: Settings, tools: _Later) -> Run:
    paces = _paces(settings)

    def run(task: Task) -> Iterator[AnalysisEvent]:
        from app.analysis.noting import noted
        from app.analysis.run import analyse

        return noted(analyse(task, tools()[0]), task, paces, _engine_name(settings))

    return run


def _planner(settings: Settings, engine: Engine, tools: _Later) -> Planner:
    measuring: list[Measuring] = []

    def measure(request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]) -> tuple[Layout, Room] | None:
        if engine.status().state != "ready":
            return None
        from app.analysis.measuring import Measuring

        if not measuring:
            measuring.append(Measuring(tools()[1].at_hand))
        return measuring[0](request, video, words)

    return _planned(settings, measure)


def _planned(settings: Settings, measure: Measure) -> Planner:
    recall = open_recall(settings)

    def is_read(video: VideoInfo, request: AnalysisRequest, opening: Opening | None) -> bool:
        return recall.is_known(video.path, Wanted(request.frames, request.selection, opening=opening))

    return Planner(
        measure=measure,
        is_read=is_read,
        room=expected_room(settings),
        side=usual_side(settings),
        in_flight=settings.in_flight,
        known=partial(_paces(settings).of, _engine_name(settings)),
    )


def open_planner(settings: Settings) -> Planner:
    """What tells what an analysis will be like, by settings and by what was seen before; no engine is asked."""
    return _planned(settings, lambda *_: None)


def _paces(settings: Settings) -> Paces:
    return Paces(settings.data_dir / "paces.json")


def _engine_name(settings: Settings) -> str:
    """What tells one engine with its model and settings from another."""
    config = {} if settings.base_url else settings.vllm_config
    return json.dumps([settings.base_url or settings.engine, settings.model_path, config], sort_keys=True)


def conditions(settings: Settings, templates: Templates, request: AnalysisRequest) -> dict[str, str]:
    """The settings that the answers to a request depend on, each under its name below `condition.` in i18n."""
    from app import video

    known = {"app": f"{version('framelens')} ({video.version()})"}
    if not request.use_model:
        return known
    template = templates.by_key.get(request.template)
    weights = None if settings.base_url else _weights(settings)
    return {
        **known,
        "engine": settings.base_url or f"{settings.engine} {(installed_vllm() or ('', ''))[1]}".strip(),
        "model": settings.model_path + (f" ({_changed(weights)})" if weights else ""),
        "vllm_config": "" if settings.base_url else json.dumps(settings.vllm_config, sort_keys=True),
        "answer_tokens": str(settings.answer_tokens),
        "frame_side": str(settings.frame_side or ""),
        "answer_form": settings.answer_form,
        "template": f"{request.template} {digest(template)[:8]}" if template else request.template,
        "speech": settings.speech_base_url or settings.speech_model_path,
    }


def open_recall(settings: Settings) -> Recall:
    """The reading of videos, with a memory in the data folder."""
    return Recall(Surveys(settings.data_dir / "surveys"))


def usual_side(settings: Settings) -> int | None:
    """The longer side of sent frames in pixels where that is settled, None where it depends on their number."""
    on_cpu = not settings.base_url and (installed_vllm() or ("cpu", ""))[0] == "cpu"
    return settings.frame_side or (_SIDE_ON_CPU if on_cpu else None)


def expected_room(settings: Settings) -> Room:
    """What one request will hold, as far as settings tell it before the engine is there."""
    told = None if settings.base_url else settings.vllm_config.get("max_model_len")
    return Room(told if isinstance(told, int) else None, settings.answer_tokens)


def build_hearing(settings: Settings) -> Hearing:
    """What reads subtitles, and hears what is said where a model for that is set."""
    from app.analysis.hearing import Hearing

    surveys = Surveys(settings.data_dir / "surveys")
    return Hearing(
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
        return AbsentEngine(settings.speech_model_path, error)
    return ManagedEngine(launcher, log_dir=settings.data_dir / "speech-engine")


def _tools(settings: Settings, engine: Engine, templates: Templates) -> tuple[Tools, Opener]:
    from app.analysis.connecting import Opener
    from app.analysis.run import Tools
    from app.video import probe

    recall = open_recall(settings)
    opener = Opener(
        engine,
        answers=partial(_answers, settings),
        answer_tokens=settings.answer_tokens,
        timeout_seconds=settings.timeout_seconds,
        side=usual_side(settings),
        in_flight=settings.in_flight,
        takes_schema=settings.answer_form == "schema",
    )
    tools = Tools(
        probe=probe,
        extract=recall.extract,
        digest=recall.sha256,
        hear=build_hearing(settings),
        open_engine=opener,
        room=expected_room(settings),
        side=usual_side(settings),
        template=templates.find,
        conditions=partial(conditions, settings, templates),
    )
    return tools, opener


def _answers(settings: Settings) -> Answers | None:
    """What this very model has answered before. Of an engine elsewhere nobody knows whether it is the same model."""
    from app.llm.cache import Answers

    if settings.base_url or (folder := _weights(settings)) is None:
        return None
    model = {
        "folder": str(folder),
        "changed": _changed(folder),
        "engine": settings.engine,
        "tokens": settings.answer_tokens,
    }
    return Answers(settings.data_dir / "answers.sqlite", json.dumps({**model, **settings.vllm_config}, sort_keys=True))


def _weights(settings: Settings) -> Path | None:
    """The folder of the model where it is on this machine."""
    try:
        return resolve_model(settings.model_path).folder
    except AppError:  # starting the engine will say what is wrong
        return None


def _changed(folder: Path) -> int:
    """When the newest file of a model was changed, in nanoseconds."""
    return max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
