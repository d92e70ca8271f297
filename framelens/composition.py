"""Composition root: builds the concrete services from the settings.

Only this module knows which store, video repository, queue and engine session are used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from framelens import config, registry
from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.prompts.templates import Templates
from framelens.config import Settings
from framelens.core.background_task import BackgroundTask
from framelens.core.domain import Notice
from framelens.core.errors import AppError, ConfigError
from framelens.core.roles import LOCAL_USER, as_user
from framelens.jobs.engine_session import EngineSession, SharedParts
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.stored.reports import StoredReports
from framelens.store.authentication import Authentication, open_checked_store
from framelens.store.database import Store
from framelens.store.fs_utils import log_to
from framelens.store.locks import ProcessLock
from framelens.store.videos.upload_limits import UploadLimits
from framelens.store.videos.video_repository import VideoRepository

if TYPE_CHECKING:
    from framelens.analysis.planning.estimate import Planner
    from framelens.engine.base import Engine
    from framelens.jobs.answers import Answers
    from framelens.jobs.asking import Asking
    from framelens.jobs.model_switch import ModelSwitch
    from framelens.jobs.queue import Jobs
    from framelens.jobs.stored.library_search import LibrarySearch
    from framelens.questions.repository import ConversationRepository
    from framelens.video.stills import Stills


class Closing(Protocol):
    """A part that is closed with the services."""

    def close(self) -> None:
        """Release what it holds."""


ClosingT = TypeVar("ClosingT", bound=Closing)
SAMPLE = Path(str(files("framelens") / "samples" / "sample.mp4"))


@dataclass(frozen=True)
class Services:
    """Services that pages, routes and the command line use.

    Settings, engine and planner come from the engine session in use.

    Attributes:
        trash_sweep: The daily deletion of expired objects in the trash.
        shared: Parts that the sessions of all engines share.
        library_search: What a plugin searches the library by beside words, if anything.
    """

    switcher: EngineSwitcher[EngineSession]
    jobs: Jobs
    videos: VideoRepository
    log_path: Path
    shared: SharedParts
    templates: Templates
    trash_sweep: BackgroundTask[None, None] = field(default_factory=partial(BackgroundTask, "trash"))
    library_search: LibrarySearch | None = None
    _parts: dict[str, Closing] = field(default_factory=dict)
    _parts_lock: threading.RLock = field(default_factory=threading.RLock)

    def part(self, name: str, build: Callable[[Services], ClosingT]) -> ClosingT:
        """Return the part with this name, which is built once and closed with the services."""
        with self._parts_lock:
            if name not in self._parts:
                self._parts[name] = build(self)
            return cast("ClosingT", self._parts[name])

    @property
    def moment_search(self) -> LibrarySearch:
        """Return `library_search`. Raises ConfigError without a plugin that searches."""
        if self.library_search is None:
            raise ConfigError("find_without_plugin")
        return self.library_search

    @property
    def settings(self) -> Settings:
        """Return the settings of the engine in use."""
        return self.switcher.session.settings

    @property
    def engine(self) -> Engine:
        """Return the engine in use."""
        return self.switcher.session.engine

    @property
    def engine_notices(self) -> tuple[Notice, ...]:
        """Return the notices about the engine in use, those about adapted settings first."""
        return (*self.switcher.session.notices, *self.engine.status().notices)

    @property
    def store(self) -> Store:
        """Return the store."""
        return self.shared.store

    @property
    def stills(self) -> Stills:
        """Return the frames of videos by time."""
        return self.shared.stills

    @property
    def planner(self) -> Planner:
        """Return the planner of the engine in use."""
        return self.switcher.session.planner

    @property
    def conversations(self) -> ConversationRepository:
        """Return the stored conversations."""
        return self.shared.conversations

    @cached_property
    def authentication(self) -> Authentication:
        """Return what knows who asks."""
        return Authentication(self.store, self.settings.access)

    @property
    def asking(self) -> Asking:
        """Return the part that answers questions about videos."""
        from framelens.jobs.asking import Asking

        return Asking(self.jobs, self.switcher, self.templates, self.shared, self.library_search)

    @property
    def model_switch(self) -> ModelSwitch:
        """Return the switch to another model."""
        from framelens.jobs.model_switch import ModelDownload, ModelSwitch

        download = self.part("model download", lambda _: ModelDownload())
        return ModelSwitch(self.switcher, self.jobs, self.templates, self.shared, download)

    @property
    def reports(self) -> StoredReports:
        """Return the stored reports with the conversations about them."""
        return StoredReports(self.store, self.jobs, self.conversations)

    @property
    def answers(self) -> Answers:
        """Return the answers that are being written."""
        from framelens.jobs.answers import Answers

        return self.part("answers", lambda services: Answers(services.asking, services.jobs, services.conversations))

    def resume(self) -> None:
        """Resume unfinished work of earlier processes: deletions, and the work of plugins."""
        from framelens.jobs.stored.bulk_operations import sweep, sweep_trash_daily

        sweep(self.jobs, self.videos)
        with as_user(LOCAL_USER):  # the trash of all users
            self.trash_sweep.start(lambda _, cancel: sweep_trash_daily(self.jobs, self.videos, cancel))
        for part in registry.placed("resume"):
            try:
                part.call(self)
            except AppError as error:  # the application starts without it
                part.leave_out(error)

    def close(self) -> None:
        """Stop the background tasks, then the jobs, then the engine, and close the store."""
        for part in reversed(self._parts.values()):
            part.close()
        self.shared.close()
        self.trash_sweep.close()
        if self.library_search:
            self.library_search.close()
        self.jobs.close()
        self.switcher.close()
        self.store.close()


def open_videos(settings: Settings) -> VideoRepository:
    """Open the videos of the data folder alone. Raises StorageError."""
    limits = UploadLimits(settings.user_limits.upload_bytes)
    return VideoRepository(settings.data_dir, settings.input_dirs, SAMPLE, limits)


def open_services(
    settings: Settings | None = None,
    *,
    adopts: bool = True,
    workers: int | None = None,
    session: Callable[..., EngineSession] = EngineSession,
) -> Services:
    """Build all services; nothing heavy starts before it is needed.

    Args:
        settings: The settings, by default from the environment and `.env`.
        adopts: Resume jobs that dead processes left behind.
        workers: Number of analyses at a time, by default that of the queue.
        session: Builds the engine session from settings, templates and the shared parts.

    Raises:
        ConfigError: A setting is not valid, or there are accounts and no plugin that knows who asks.
        StorageError: The data folder could not be read or written.
    """
    from framelens.jobs.queue import Jobs, usual_workers  # other commands don't need the queue

    settings = settings or config.load()
    log_path = log_to(settings.data_dir)
    store = open_checked_store(settings.data_dir, settings.access)
    templates = Templates(settings.template_dir)
    shared = SharedParts(store)
    switcher = EngineSwitcher(session(settings, templates, shared=shared))

    jobs = Jobs(
        store,
        ProcessLock(settings.data_dir / "running"),
        switcher,
        open_extraction_cache(settings.data_dir),
        log_path=log_path,
        adopts=adopts,
        workers=workers or usual_workers(len(settings.base_urls)),
        most_of_user=settings.user_limits.jobs,
    )
    if adopts:
        jobs.indexing.begin()  # entries that an earlier version indexed differently
    return Services(
        switcher=switcher,
        jobs=jobs,
        templates=templates,
        videos=open_videos(settings),
        log_path=log_path,
        shared=shared,
        library_search=_library_search(settings, store, jobs),
    )


def _library_search(settings: Settings, store: Store, jobs: Jobs) -> LibrarySearch | None:
    """Open what a plugin searches the library by; jobs that end from now on are added to it."""
    search: LibrarySearch | None = next(registry.results("library.search", settings, store, jobs), None)
    if search:
        jobs.indexing.on_indexed = search.begin
    return search


@contextmanager
def open_library(settings: Settings) -> Iterator[Services]:
    """Open the services and close them afterwards; jobs of other programs aren't resumed."""
    with closing(open_services(settings, adopts=False)) as services:
        yield services
