"""Changes and measurements of the engine that the Models page begins: download, switch, benchmark, checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from framelens import config
from framelens.analysis.task import Control
from framelens.config import Settings
from framelens.core.background_task import BackgroundTask
from framelens.core.errors import AppError, Cancelled
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.roles import requires
from framelens.engine.downloads import hub
from framelens.engine.remote_engine import normal_base_urls
from framelens.i18n import in_language, language
from framelens.plugins.models import remote_query, vision_checks
from framelens.plugins.models.benchmark import measurements
from framelens.services.container import Services
from framelens.services.engines.engine_builder import build_engine
from framelens.services.engines.model_arguments import check_folder
from framelens.services.engines.model_names import resolve_named_model
from framelens.store.model_records import Measured, confirm_download

if TYPE_CHECKING:
    from framelens.jobs.engine_switcher import EngineSwitcher
    from framelens.jobs.queue import Jobs
    from framelens.models.placement import Proposal
    from framelens.services.engines.engine_session import EngineSession
    from framelens.services.engines.model_switch import ModelSwitch

T = TypeVar("T")


class ModelTasks:
    """Changes and measurements of the engine, kept for as long as the services are open.

    Attributes:
        download: The download of a model and the start of the switch to it. A cancelled download is paused: what has
            arrived is kept, and `restart` continues it.
        benchmark: The benchmark of a model.
        vision_check: The vision check of the engine in use.
        remote_query: The query to a remote engine.
    """

    def __init__(self, switcher: EngineSwitcher[EngineSession], jobs: Jobs, model_switch: ModelSwitch) -> None:
        """Begin nothing.

        Args:
            switcher: Owns the engine in use.
            jobs: Jobs that a switch may pause.
            model_switch: Changes the model.
        """
        self._switcher, self._jobs, self._model_switch = switcher, jobs, model_switch
        self.download: BackgroundTask[EngineProgress, None] = BackgroundTask("download")
        self.benchmark: BackgroundTask[EngineProgress, Measured] = BackgroundTask("benchmark")
        self.vision_check: BackgroundTask[EngineProgress, Measured] = BackgroundTask("vision-check")
        self.remote_query: BackgroundTask[EngineProgress, remote_query.RemoteEngineReport] = BackgroundTask(
            "remote-query"
        )

    def close(self) -> None:
        """Stop them."""
        for task in (self.download, self.benchmark, self.vision_check, self.remote_query):
            task.close()

    @requires("administrator")
    def download_and_switch(self, settings: Settings, *, pausing: bool) -> None:
        """Download the model if it is not on this machine, then `switch` to it.

        The current engine keeps answering during the download; `download` of the tasks reports its progress.

        Raises:
            AppError: The model or its engine cannot be tried at all, or "download_under_way".
        """
        if error := build_engine(settings)[0].status().error:
            raise error
        found = resolve_named_model(settings.model_path, settings.data_dir)
        if found.folder is not None:
            check_folder(found.folder, settings)
            self.switch(settings, pausing=pausing)
        elif found.hub_id is not None:
            hub_id = found.hub_id
            confirm_download(settings.data_dir, hub_id)

            def work(on_progress: ProgressListener, cancel: threading.Event) -> None:
                hub.download(hub_id, on_progress, cancel, allow_pickle=settings.allow_pickle)
                if cancel.is_set():
                    raise Cancelled
                self.switch(settings, pausing=pausing)

            _begin(self.download, "download_under_way", hub_id, work)

    @requires("administrator")
    def switch(self, settings: Settings, *, pausing: bool) -> None:
        """Start switching to the engine that `settings` describe.

        Return at once; the switcher's `switch` reports the progress. A choice that works is saved for the next start
        (framelens.config); otherwise the previous engine is used again and the paused jobs resume.

        Args:
            settings: Settings with the new engine.
            pausing: Pause running jobs rather than let them finish first.

        Raises:
            AppError: The engine cannot be tried at all, or a switch or benchmark is running.
        """
        running = self._jobs.running() if pausing else ()

        def end(is_done: bool) -> None:
            for job_id in () if is_done else running:
                self._jobs.resume(job_id)

        self._model_switch.begin(settings, on_end=end)
        for job_id in running:
            self._jobs.pause(job_id)

    @requires("administrator")
    def start_benchmark(self, proposal: Proposal, arguments: Mapping[str, Any]) -> None:
        """Start a benchmark of the proposed model once no analysis runs; no analysis is admitted until it is over.

        The current engine is stopped if the two don't fit together, and restarted afterwards. `benchmark` of the tasks
        reports the progress.

        Raises:
            AppError: The model cannot be benchmarked here, or another benchmark is running.
        """
        measurements.check_proposal(proposal)
        settings, needed = self._settings, measurements.needed_bytes(proposal, arguments)

        def work(on_progress: ProgressListener, cancel: threading.Event) -> Measured:
            on_progress(EngineProgress("benchmark_waiting"))
            with self._switcher.exclusive(cancel, ends_engine=lambda: needed > measurements.free_bytes()):
                return measurements.try_model(proposal, arguments, settings, on_progress, cancel)

        _begin(self.benchmark, "check_under_way", proposal.entry.id, work)

    @requires("administrator")
    def start_vision_check(self, size: tuple[int, int]) -> None:
        """Start a vision check of the engine in use, which can't be switched meanwhile, in the language of the caller.

        `vision_check` of the tasks reports the progress and the result.

        Args:
            size: Width and height of the test cards in pixels.
        """
        spoken = language()  # the thread has no language of its own

        def work(on_progress: ProgressListener, cancel: threading.Event) -> Measured:
            with in_language(spoken), self._switcher.admitted(Control(cancel=cancel)):
                return vision_checks.check_sight(
                    self._settings, self._switcher.session.engine, size, on_progress, cancel
                )

        _begin(self.vision_check, "check_under_way", self._switcher.session.engine.status().model, work)

    @requires("administrator")
    def query_remote_engine(self, *, base_url: str, api_key: str, model: str) -> None:
        """Start a query of what the engine at `base_url` serves; `remote_query` of the tasks reports the answer.

        Raises:
            ConfigError: The address is not valid.
        """
        settings = with_remote_engine(self._settings, base_url=base_url, api_key=api_key, model=model)
        _begin(self.remote_query, "check_under_way", settings.base_url, partial(remote_query.call, settings))

    @requires("administrator")
    def switch_to_remote_engine(self, *, base_url: str, api_key: str, model: str, pausing: bool) -> None:
        """Switch to the remote engine at `base_url`, as `switch` does.

        Raises:
            AppError: The engine cannot be tried at all, or a switch or benchmark is running.
        """
        settings = with_remote_engine(self._settings, base_url=base_url, api_key=api_key, model=model)
        self.switch(settings, pausing=pausing)

    @property
    def _settings(self) -> Settings:
        return self._switcher.session.settings


def tasks_of(services: Services) -> ModelTasks:
    """Return the background tasks of these services."""
    return services.part("models", lambda of: ModelTasks(of.switcher, of.jobs, of.model_switch))


def with_remote_engine(settings: Settings, *, base_url: str, api_key: str, model: str) -> Settings:
    """Return `settings` with a remote engine.

    Args:
        settings: The settings to change.
        base_url: Address of its API, or of several engines with the same model.
        api_key: Its key, "" without a key.
        model: Name of the model, "" for the model that it serves.

    Raises:
        ConfigError: The address or the key is not valid.
    """
    url, name = ", ".join(normal_base_urls(base_url)), model.strip()
    key = config.checked_key("FRAMELENS_API_KEY", api_key)
    named = {"model_path": name or config.DEFAULT_MODEL_PATH, "model_chosen": bool(name)}
    return replace(settings, base_url=url, api_key=key, **named)  # type: ignore[arg-type]


def _begin(
    task: BackgroundTask[EngineProgress, T],
    under_way: str,
    subject: str,
    work: Callable[[ProgressListener, threading.Event], T],
) -> None:
    """Start the task, or raise the AppError `under_way` if it runs."""
    if not task.start(work, subject=subject):
        raise AppError(under_way, model=task.subject)
