"""From Settings to the concrete parts: the one place that knows which store, shelf, queue and workbench are used."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import config
from app.analysis.inputs.extraction_cache import open_recall
from app.analysis.planning.estimate import Planner
from app.analysis.prompts.templates import Templates, load
from app.analysis.task import Control
from app.config import Settings
from app.core.background_task import Errands, Listener
from app.core.domain import AnalysisRequest, EngineProgress, Language, Notice
from app.engine import DownloadManager, Engine, Monitor, check_model_folder, resolve_model
from app.engine.remote_engine import normal_base_url
from app.models import Proposal
from app.services.engine_session import Workbench, build_engine, conditions, confirmed_downloads, open_workbench
from app.store.benchmark_store import Measured
from app.store.database import Store
from app.store.fs_utils import log_to
from app.store.process_lock import Owner
from app.store.video_repository import VideoShelf
from app.video.stills import Stills

if TYPE_CHECKING:
    from app.jobs import EngineRoom, Jobs, Switch
    from app.library.semantic_index import Meanings
    from app.services import model_benchmarks

SAMPLE = Path(str(files("app") / "samples" / "sample.mp4"))
_CHANGE_SECONDS = 2.0  # a page waits so long for a change that nothing holds up
_NEWEST = 20  # jobs: those that run are among them


@dataclass(frozen=True)
class Services:
    """What pages, routes and the command line use. `close` ends measuring, downloads and the jobs, then the engine.

    `trying` are trials of models' shapes, `looking` vision checks, `calling` questions to engines elsewhere. Settings,
    engine and planner are those of the workbench that is used at this moment.
    """

    room: EngineRoom[Workbench]
    jobs: Jobs
    videos: VideoShelf
    log_path: Path
    store: Store
    templates: Templates
    monitor: Monitor
    fetching: DownloadManager = field(default_factory=DownloadManager)
    trying: Errands[Measured] = field(default_factory=Errands)
    looking: Errands[Measured] = field(default_factory=Errands)
    calling: Errands[model_benchmarks.Elsewhere] = field(default_factory=Errands)
    meanings: Meanings | None = None
    stills: Stills = field(default_factory=Stills)

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
        self.stills.close()
        self.monitor.close()
        self.fetching.close()
        for errands in (self.trying, self.looking, self.calling):
            errands.close()
        if self.meanings:
            self.meanings.close()
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


def chosen_elsewhere(settings: Settings, *, base_url: str, api_key: str, model: str) -> Settings:
    """`settings` with an engine that somebody else runs; `model` "" for the one that it serves. Raises ConfigError."""
    url, name = normal_base_url(base_url), model.strip()
    named = {"model_path": name or config.DEFAULT_MODEL_PATH, "model_chosen": bool(name)}
    return replace(settings, base_url=url, api_key=api_key.strip(), **named)  # type: ignore[arg-type]


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
        confirmed_downloads(settings).add(found.hub_id)
        services.fetching.start(found.hub_id, partial(switch, services, settings, pausing=pausing))


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


def choose(services: Services, model: str, vllm_config: str) -> None:
    """Use this model on this machine from the next analysis on, which starts it and, where that is confirmed, downloads
    it. Waits a moment for the change, which running analyses hold up. Raises the AppError of what cannot be used.
    """
    settings = chosen(services.settings, model=model, vllm_config=vllm_config, engine="vllm")

    def end(switched: Switch) -> None:
        if switched.state == "done":
            config.keep_choice(settings)

    services.room.begin(open_workbench(settings, services.templates), on_end=end, starts=False)
    deadline = time.monotonic() + _CHANGE_SECONDS
    while (change := services.room.switch) and not change.is_over and time.monotonic() < deadline:
        time.sleep(0.01)


def begin_trial(services: Services, proposal: Proposal, arguments: Mapping[str, Any]) -> None:
    """Try the proposed model's shape once no analysis runs; none is let in until it is over. The engine of now is
    ended where the two would not fit, and comes back. `services.trying` tells how it goes. Raises AppErrors.
    """
    from app.services import model_benchmarks  # with the planner, which only what measures must wait for

    model_benchmarks.check_proposal(proposal)
    settings, needed = services.settings, model_benchmarks.needed_bytes(proposal, arguments)

    def work(on_progress: Listener, cancel: threading.Event) -> Measured:
        on_progress(EngineProgress("trial_waiting"))
        with services.room.alone(cancel, ends_engine=lambda: not model_benchmarks.fits_beside(needed)):
            return model_benchmarks.try_model(proposal, arguments, settings, on_progress, cancel)

    services.trying.begin(proposal.entry.id, work)


def begin_check(services: Services, size: tuple[int, int], language: Language) -> None:
    """Show test cards to the engine in use, which stays the same meanwhile; `services.looking` tells how it goes."""
    from app.services import model_benchmarks

    def work(on_progress: Listener, cancel: threading.Event) -> Measured:
        with services.room.admitted(Control(cancel=cancel)):
            return model_benchmarks.check_sight(services.settings, services.engine, size, language, on_progress, cancel)

    services.looking.begin(services.engine.status().model, work)


def begin_call(services: Services, *, base_url: str, api_key: str, model: str) -> None:
    """Ask the engine at `base_url` what it serves; `services.calling` tells what it said. Raises ConfigError."""
    from app.services import model_benchmarks

    settings = chosen_elsewhere(services.settings, base_url=base_url, api_key=api_key, model=model)
    services.calling.begin(settings.base_url, partial(model_benchmarks.call, settings))


def use_elsewhere(services: Services, *, base_url: str, api_key: str, model: str, pausing: bool) -> None:
    """`switch` to the engine at `base_url`. Raises the AppError of what cannot even be tried."""
    settings = chosen_elsewhere(services.settings, base_url=base_url, api_key=api_key, model=model)
    switch(services, settings, pausing=pausing)


def open_services(settings: Settings | None = None, *, adopts: bool = True, workers: int | None = None) -> Services:
    """Build everything; nothing heavy starts before it is needed. `adopts`: jobs that other programs left behind go on.
    `workers` is how many analyses run at a time (by default as many as the queue has).

    Raises ConfigError or StorageError.
    """
    from app.jobs import WORKERS, EngineRoom, Jobs, Sameness  # the commands do without

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
        Sameness(now, open_recall(settings.data_dir).quick_sha256),
        log_path=log_path,
        adopts=adopts,
        admitted=room.admitted,
        workers=workers or WORKERS,
    )
    if adopts:
        jobs.indexing.begin()  # what an earlier version has indexed in another way
    return Services(
        room=room,
        jobs=jobs,
        monitor=Monitor(lambda: room.bench.load(), partial(_counts, jobs)),
        templates=templates,
        videos=VideoShelf(settings.data_dir / "videos", settings.input_dirs, SAMPLE),
        log_path=log_path,
        store=store,
        meanings=_meanings(settings, jobs),
    )


def _meanings(settings: Settings, jobs: Jobs) -> Meanings | None:
    """The search by meaning where a model for it is set. What ends from now on is made ready for it."""
    if not settings.embedding_base_url:
        return None
    from app.library.semantic_index import Meanings
    from app.llm.embeddings import EmbeddingModel

    url, name = normal_base_url(settings.embedding_base_url), settings.embedding_model
    meanings = Meanings(jobs.library, f"{name} {url}".strip(), EmbeddingModel(url, name, settings.embedding_api_key))
    jobs.indexing.on_taken_up = meanings.begin
    return meanings


def _counts(jobs: Jobs) -> tuple[int, int]:
    """How many jobs run, in whichever program on this data folder, and how many wait in this one."""
    return sum(job.state == "running" for job in jobs.recent(_NEWEST)), len(jobs.waiting())
