"""From Settings to the concrete parts: the one place that knows which engine, store, shelf and tools are used."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from app import config
from app.analysis.recall import Recall
from app.config import Settings
from app.domain import AnalysisEvent, AnalysisRequest, Notice
from app.engine import (
    AbsentEngine,
    Engine,
    ManagedEngine,
    RemoteEngine,
    installed_vllm,
    resolve_model,
    transformers_launcher,
    vllm_launcher,
)
from app.errors import AppError, StorageError
from app.jobs import Jobs, Run
from app.store.store import Store
from app.store.surveys import Surveys
from app.store.videos import VideoShelf

if TYPE_CHECKING:
    from app.analysis.run import Tools
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

    def close(self) -> None:
        self.jobs.close()
        self.engine.stop()
        self.store.close()


def open_services(settings: Settings | None = None) -> Services:
    """Build everything; nothing heavy starts before it is needed. Raises ConfigError or StorageError."""
    settings = settings or config.load()
    log_path = log_to(settings.data_dir)
    engine, notices = build_engine(settings)
    store = Store(settings.data_dir / "framelens.sqlite")
    return Services(
        settings=settings,
        engine=engine,
        engine_notices=notices,
        jobs=Jobs(store, runner(settings, engine), log_path=log_path),
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


def runner(settings: Settings, engine: Engine) -> Run:
    """`run(request, job_id, cancel)`: one analysis with the real parts."""
    tools: list[Tools] = []

    def run(request: AnalysisRequest, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
        # LangChain takes two seconds to import: the page shows before that, and an analysis has them to spare.
        from app.analysis.run import analyse

        if not tools:
            tools.append(_tools(settings, engine))
        return analyse(request, tools[0], job_id=job_id, cancel=cancel)

    return run


def open_recall(settings: Settings) -> Recall:
    """The reading of videos, with a memory in the data folder."""
    return Recall(Surveys(settings.data_dir / "surveys"))


def _tools(settings: Settings, engine: Engine) -> Tools:
    from app.analysis.opening import Opener
    from app.analysis.run import Tools

    on_cpu = not settings.base_url and (installed_vllm() or ("cpu", ""))[0] == "cpu"
    recall = open_recall(settings)
    return Tools(
        extract=lambda path, frames, cancel: recall.extract(path, frames=frames, cancel=cancel),
        digest=recall.sha256,
        open_engine=Opener(
            engine,
            answers=partial(_answers, settings),
            answer_tokens=settings.answer_tokens,
            timeout_seconds=settings.timeout_seconds,
            side=settings.frame_side or (_SIDE_ON_CPU if on_cpu else None),
        ),
    )


def _answers(settings: Settings) -> Answers | None:
    """What this very model has answered before. Of an engine elsewhere nobody knows whether it is the same model."""
    from app.llm.cache import Answers

    if settings.base_url or (folder := resolve_model(settings.model_path).folder) is None:
        return None
    weights = max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
    model = {"folder": str(folder), "changed": weights, "engine": settings.engine, "tokens": settings.answer_tokens}
    return Answers(settings.data_dir / "answers.sqlite", json.dumps({**model, **settings.vllm_config}, sort_keys=True))
