"""The change to another model: its settings, its download, the switch, and the choice for the next start."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from framelens import config
from framelens.analysis.prompts.templates import Templates
from framelens.config import Settings
from framelens.core.background_task import BackgroundTask
from framelens.core.engines.model_hub import ModelHub, chosen_hub
from framelens.core.engines.vllm_arguments import arguments_with_code
from framelens.core.errors import AppError, Cancelled, ConfigError, EngineError, InputError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.redaction import redact
from framelens.core.roles import as_user, current_user, requires
from framelens.engine.downloads.hub import download
from framelens.engine.engine_builder import build_engine
from framelens.engine.installation import install_engine, install_log, missing_engine
from framelens.engine.local.model_arguments import check_folder
from framelens.engine.model_names import resolve_named_model
from framelens.engine.remote_engine import normal_base_urls
from framelens.jobs.engine_session import EngineSession, SharedParts, conditions
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.fs_utils import disk_errors
from framelens.store.model_records import confirmed_downloads

_VARIABLES = {
    "model": "VLLM_MODEL_PATH", "vllm_config": "VLLM_CONFIG", "answer_tokens": "FRAMELENS_ANSWER_TOKENS",
    "frame_side": "FRAMELENS_FRAME_SIDE", "frames_as": "FRAMELENS_FRAMES_AS",
}  # fmt: skip
"""Settings by the conditions of a job that are their values."""
_CHANGE_SECONDS = 2.0  # how long a page waits for a switch that no analysis delays


def _read_settings(variables: Mapping[str, str]) -> Settings:
    """Return the settings that these variables give; raise ConfigError if a value is not valid, or loads code."""
    read = config.load(variables, Path(os.devnull))
    if names := arguments_with_code(read.vllm_config):
        raise ConfigError("vllm_argument_loads_code", keys=", ".join(names))
    return read


def with_settings_of(settings: Settings, job: JobSnapshot) -> Settings:
    """Return `settings` with those that a job was started with, as far as its conditions have them.

    The key of a remote engine isn't stored; it is that of `settings` only for the same addresses.

    Raises:
        ConfigError: A value is no longer valid.
    """
    engine = job.conditions.get("engine", "")
    variables = {
        _VARIABLES[name]: value for name, value in {**job.conditions, "model": job.model}.items() if name in _VARIABLES
    }
    variables |= {"FRAMELENS_BASE_URL": engine} if "://" in engine else {"FRAMELENS_ENGINE": engine.partition(" ")[0]}
    read = _read_settings(variables)
    return replace(
        settings,
        model_path=read.model_path,
        model_chosen=read.model_chosen,
        vllm_config=read.vllm_config if read.engine == "vllm" and not read.base_url else settings.vllm_config,
        engine=read.engine if not read.base_url else settings.engine,
        base_url=read.base_url,
        api_key=settings.api_key if read.base_urls == settings.base_urls else "",
        answer_tokens=read.answer_tokens,
        frame_side=read.frame_side,
        frames_as=read.frames_as,
    )


class ModelDownload(BackgroundTask[EngineProgress, None]):
    """Download of a model and the start of the switch to it.

    A cancelled download is paused: what has arrived is kept, and `restart` continues it.

    Attributes:
        hub: The hub of the current or last run; another hub may be set before `restart`.
    """

    def __init__(self) -> None:
        super().__init__("download")
        self.hub: ModelHub = chosen_hub()


@dataclass(frozen=True)
class ModelSwitch:
    """The switch to another model, for all analyses from then on.

    Attributes:
        switcher: Owns the engine in use and replaces it.
        jobs: Jobs whose log of actions records a change.
        templates: Templates of the prompts.
        shared: Parts that the sessions of all engines share.
        download: The download of a model, during which the current engine keeps answering.
    """

    switcher: EngineSwitcher[EngineSession]
    jobs: Jobs
    templates: Templates
    shared: SharedParts
    download: ModelDownload

    @staticmethod
    def with_local_model(settings: Settings, *, model: str, vllm_config: str, engine: str) -> Settings:
        """Return `settings` with another local model, whose settings load no code.

        Args:
            settings: The settings to change.
            model: Value of VLLM_MODEL_PATH, as in `.env`.
            vllm_config: Value of VLLM_CONFIG.
            engine: Value of FRAMELENS_ENGINE.

        Raises:
            ConfigError: A value is not valid.
        """
        variables = {"VLLM_MODEL_PATH": model, "VLLM_CONFIG": vllm_config, "FRAMELENS_ENGINE": engine}
        read = _read_settings(variables)
        return replace(
            settings,
            model_path=read.model_path,
            model_chosen=True,
            vllm_config=read.vllm_config,
            engine=read.engine,
            base_url="",
        )

    @staticmethod
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
        changes = {"model_path": name or config.DEFAULT_MODEL_PATH, "model_chosen": bool(name)}
        return replace(settings, base_url=url, api_key=key, **changes)  # type: ignore[arg-type]

    def lost_settings(self, job: JobSnapshot) -> tuple[str, ...]:
        """List the conditions of a job that can't be had any more, such as an earlier version of FrameLens."""
        try:
            settings = with_settings_of(self.switcher.session.settings, job)
        except ConfigError:
            return tuple(sorted(_VARIABLES.keys() & job.conditions.keys()))
        now = conditions(settings, self.templates, job.request)
        return tuple(name for name in sorted(job.conditions.keys() | now) if job.conditions.get(name) != now.get(name))

    @requires("administrator")
    def resume_unchanged(self, jobs: Sequence[JobSnapshot]) -> None:
        """Use the settings again that the first of these jobs was started with, and resume all jobs that they suit.

        They are used for everything until the program ends or another model is chosen. Wait up to two seconds for the
        change, which running analyses delay.

        Raises:
            AppError: The engine cannot be used, or a switch or benchmark is running.
        """
        session, user = self.switcher.session, current_user()

        def end(is_done: bool) -> None:
            with as_user(user):
                for job in jobs if is_done else ():
                    with suppress(InputError):  # it was started with yet other settings, or deleted
                        self.jobs.resume(job.id)

        settings = with_settings_of(session.settings, jobs[0])
        self.switcher.begin(session.with_settings(settings), on_end=end, starts=False)
        self.switcher.switch.wait(_CHANGE_SECONDS)

    @requires("administrator")
    def get(self, settings: Settings, *, pausing: bool = False, hub: ModelHub | None = None) -> None:
        """Install the engine and download the model, as far as they are missing, then `begin` the switch to it.

        Return at once; `download` has the progress.

        Args:
            settings: Settings with the new model.
            pausing: Pause running jobs rather than let them finish first.
            hub: Where to download from; None for the chosen hub.

        Raises:
            AppError: The model or its engine cannot be tried at all, or "download_under_way".
        """
        engine = missing_engine(error := build_engine(settings)[0].status().error)
        if error and (engine is None or engine.error):
            raise (engine and engine.error) or error
        model = resolve_named_model(settings.model_path, settings.data_dir)
        if model.folder is not None:
            check_folder(model.folder, settings)
        if engine or model.folder is None:
            self._download(
                model.hub_id if model.folder is None else None, settings, hub or chosen_hub(), pausing=pausing
            )
        else:
            self.begin(settings, pausing=pausing)

    def _download(self, hub_id: str | None, settings: Settings, hub: ModelHub, *, pausing: bool) -> None:
        """Install the engine if it is missing, and download a model of the hub; None where the model is here."""

        def work(on_progress: ProgressListener, cancel: threading.Event) -> None:
            on_progress(first)
            replaced: tuple[str, ...] = ()
            if missing_engine(build_engine(settings)[0].status().error):
                replaced = install_engine(on_progress, cancel, log_path=install_log(settings.data_dir))
            if hub_id is not None:
                download(hub_id, on_progress, cancel, hub=self.download.hub, allow_pickle=settings.allow_pickle)
            if cancel.is_set():
                raise Cancelled
            if replaced:
                raise EngineError("restart_needed", model=model, packages=", ".join(replaced))
            self.begin(settings, pausing=pausing)

        if self.download.state == "running":
            raise AppError("download_under_way", model=self.download.subject)
        if hub_id is not None:
            confirmed_downloads(settings.data_dir).save(hub_id, True)
        model = hub_id or settings.model_path
        first = EngineProgress("checking", {"model": model})
        self.download.hub = hub
        self.download.start(work, subject=model, progress=first)

    @requires("administrator")
    def begin(self, settings: Settings, *, pausing: bool = False) -> None:
        """Begin the switch to the engine of `settings` and return at once; the switcher's `switch` has the progress.

        A choice that works is saved for the next start; otherwise the previous engine is used again and the paused jobs
        resume.

        Args:
            settings: Settings with the new engine.
            pausing: Pause running jobs rather than let them finish first.

        Raises:
            AppError: The engine cannot be tried at all, or a switch or benchmark is running.
        """
        running = self.jobs.running() if pausing else ()

        def end(is_done: bool) -> None:
            if is_done:
                self._keep(settings)
            for job_id in () if is_done else running:
                self.jobs.resume(job_id)

        self.switcher.begin(EngineSession(settings, self.templates, shared=self.shared), on_end=end)
        for job_id in running:
            self.jobs.pause(job_id)

    def _keep(self, settings: Settings) -> None:
        self.jobs.audit.record("switch", object_name=redact(settings.base_url or settings.model_path))
        with disk_errors(settings.data_dir):
            config.keep_choice(settings)
