"""The change to another model: its settings, the switch, and the choice for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from framelens import config
from framelens.analysis.prompts.templates import Templates
from framelens.config import Settings
from framelens.core.engines.vllm_arguments import arguments_with_code
from framelens.core.errors import ConfigError
from framelens.core.redaction import redact
from framelens.core.roles import requires
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.queue import Jobs
from framelens.services.engines.engine_session import EngineSession, SharedParts
from framelens.store.fs_utils import disk_errors

_CHANGE_SECONDS = 2.0  # how long a page waits for a switch that no analysis delays


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
    named = {"VLLM_MODEL_PATH": model, "VLLM_CONFIG": vllm_config, "FRAMELENS_ENGINE": engine}
    read = config.load(named, Path(os.devnull))
    if names := arguments_with_code(read.vllm_config):
        raise ConfigError("vllm_argument_loads_code", keys=", ".join(names))
    return replace(
        settings,
        model_path=read.model_path,
        model_chosen=True,
        vllm_config=read.vllm_config,
        engine=read.engine,
        base_url="",
    )


@dataclass(frozen=True)
class ModelSwitch:
    """The switch to another model, for all analyses from then on.

    Attributes:
        switcher: Owns the engine in use and replaces it.
        jobs: Jobs whose log of actions records a change.
        templates: Templates of the prompts.
        shared: Parts that the sessions of all engines share.
    """

    switcher: EngineSwitcher[EngineSession]
    jobs: Jobs
    templates: Templates
    shared: SharedParts

    @requires("administrator")
    def choose_local(self, model: str, vllm_config: str) -> None:
        """Use this local model from the next analysis on.

        That analysis starts the model and, if the user has confirmed the download, downloads it. Wait up to two seconds
        for the change, which running analyses delay.

        Raises:
            AppError: The model cannot be used, or a switch or benchmark is running.
        """
        settings = self.switcher.session.settings
        self.begin(with_local_model(settings, model=model, vllm_config=vllm_config, engine="vllm"), starts=False)
        self.switcher.switch.wait(_CHANGE_SECONDS)

    def begin(
        self, settings: Settings, *, on_end: Callable[[bool], None] = lambda is_done: None, starts: bool = True
    ) -> None:
        """Begin the switch to the engine of `settings`; a choice that works is saved for the next start.

        Args:
            settings: Settings with the new engine.
            on_end: Called at the end with whether the new engine is used.
            starts: Start the engine now rather than with the next analysis.

        Raises:
            AppError: The engine cannot be tried at all, or a switch or benchmark is running.
        """

        def end(is_done: bool) -> None:
            if is_done:
                self._keep(settings)
            on_end(is_done)

        session = EngineSession(settings, self.templates, shared=self.shared)
        self.switcher.begin(session, on_end=end, starts=starts)

    def _keep(self, settings: Settings) -> None:
        self.jobs.audit.record("switch", object_name=redact(settings.base_url or settings.model_path))
        with disk_errors(settings.data_dir):
            config.keep_choice(settings)
