"""From Settings to the concrete parts: the one place that knows which store, shelf, queue and workbench are used."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from app import config
from app.analysis.forecast import Planner
from app.analysis.templates import Templates, load
from app.config import Settings
from app.domain import AnalysisRequest, Notice
from app.engine import Engine, Fetching, Monitor, check_model_folder, resolve_model
from app.errors import StorageError
from app.store.owner import Owner
from app.store.store import Store
from app.store.videos import VideoShelf
from app.workbench import Workbench, build_engine, conditions, open_recall, open_workbench

if TYPE_CHECKING:
    from app.jobs import EngineRoom, Jobs, Switch

SAMPLE = Path(str(files("app") / "samples" / "sample.mp4"))
_NEWEST = 20  # jobs: those that run are among them


@dataclass(frozen=True)
class Services:
    """What pages, routes and the command line use. `close` ends measuring, downloads and the jobs, then the engine.

    Settings, engine and planner are those of the workbench that is used at this moment.
    """

    room: EngineRoom[Workbench]
    jobs: Jobs
    videos: VideoShelf
    log_path: Path
    store: Store
    templates: Templates
    monitor: Monitor
    fetching: Fetching = field(default_factory=Fetching)

    @property
    def settings(self) -> Settings:
        return self.room.bench.settings

    @property
    def engine(self) -> Engine:
        return self.room.bench.engine

    @property
    def engine_notices(self) -> tuple[Notice, ...]:
        return (*self.room.bench.notices, *self.engine.status().notices)

    @property
    def planner(self) -> Planner:
        return self.room.bench.planner

    def close(self) -> None:
        self.monitor.close()
        self.fetching.close()
        self.jobs.close()
        self.room.close()
        self.store.close()


def chosen(settings: Settings, *, model: str, vllm_config: str, engine: str) -> Settings:
    """`settings` with another model on this machine, named as `.env` names it. Raises ConfigError."""
    named = {"VLLM_MODEL_PATH": model, "VLLM_CONFIG": vllm_config, "FRAMELENS_ENGINE": engine}
    read = config.load(named, Path(os.devnull))
    return replace(
        settings,
        model_path=read.model_path,
        model_chosen=True,
        vllm_config=read.vllm_config,
        engine=read.engine,
        base_url="",
    )


def use(services: Services, settings: Settings, *, pausing: bool) -> None:
    """`switch`, but a model that is not on this machine is fetched first, while the engine of now goes on answering;
    `services.fetching` tells how that goes. Raises the AppError of what cannot even be tried.
    """
    if error := build_engine(settings)[0].status().error:
        raise error
    found = resolve_model(settings.model_path)
    if found.folder is not None:
        brings_tokenizer = bool(
            settings.vllm_config.get("tokenizer") or settings.vllm_config.get("skip_tokenizer_init")
        )
        check_model_folder(found.folder, needs_tokenizer=not brings_tokenizer)
        switch(services, settings, pausing=pausing)
    elif found.hub_id is not None:
        services.fetching.begin(found.hub_id, partial(switch, services, settings, pausing=pausing))


def switch(services: Services, settings: Settings, *, pausing: bool) -> None:
    """Use the engine that `settings` name from now on. Running jobs are finished first or, with `pausing`, paused.

    Returns at once; `services.room.switch` tells how it goes. A choice that works is kept for the next start
    (app.config). Where it does not, the engine of before comes back, and the paused jobs go on. Raises the AppError of
    what cannot even be tried.
    """
    running = services.jobs.running() if pausing else ()

    def end(switched: Switch) -> None:
        if switched.state == "done":
            config.keep_choice(settings)
            return
        for job_id in running:
            services.jobs.resume(job_id)

    services.room.begin(open_workbench(settings, services.templates), on_end=end)
    for job_id in running:
        services.jobs.pause(job_id)


def open_services(settings: Settings | None = None, *, adopts: bool = True) -> Services:
    """Build everything; nothing heavy starts before it is needed. `adopts`: jobs that other programs left behind go on.

    Raises ConfigError or StorageError.
    """
    from app.jobs import EngineRoom, Jobs, Sameness  # the commands do without

    settings = settings or config.load()
    log_path = log_to(settings.data_dir)
    store = Store(settings.data_dir / "framelens.sqlite")
    templates = load(settings.template_dir)
    room = EngineRoom(open_workbench(settings, templates))

    def now(request: AnalysisRequest) -> dict[str, str]:
        return conditions(room.bench.settings, templates, request)

    jobs = Jobs(
        store,
        Owner(settings.data_dir / "running"),
        lambda task: room.bench.run(task),
        Sameness(now, open_recall(settings).quick_sha256),
        log_path=log_path,
        adopts=adopts,
        admitted=room.admitted,
    )
    return Services(
        room=room,
        jobs=jobs,
        monitor=Monitor(lambda: room.bench.load(), partial(_counts, jobs)),
        templates=templates,
        videos=VideoShelf(settings.data_dir / "videos", settings.input_dirs, SAMPLE),
        log_path=log_path,
        store=store,
    )


def _counts(jobs: Jobs) -> tuple[int, int]:
    """How many jobs run, in whichever program on this data folder, and how many wait in this one."""
    return sum(job.state == "running" for job in jobs.recent(_NEWEST)), len(jobs.waiting())


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
