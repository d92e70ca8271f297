"""Checks of models and engines that the Models page begins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from framelens import AppError, EngineProgress
from framelens.plugin import Services, Settings, in_language, language, requires
from framelens.plugin.analyses import Control
from framelens.plugin.machine import CheckFinding
from framelens.plugin.processes import BackgroundTask, ProgressListener
from framelens.plugins.models import remote_query, vision_checks
from framelens.plugins.models.preflight.run import preflight
from framelens.plugins.models.selection import ModelSettings
from framelens.plugins.models.vision_checks import Measured

P = TypeVar("P")
T = TypeVar("T")
Checked = tuple[ModelSettings, tuple[CheckFinding, ...]]


class ModelTasks:
    """Checks of models and engines, kept for as long as the services are open.

    Attributes:
        vision_check: The vision check of the engine in use.
        remote_query: The query to a remote engine.
        preflight: The check of a model and its settings.
    """

    def __init__(self, services: Services) -> None:
        """Begin nothing."""
        self._services, self._switcher = services, services.switcher
        self.vision_check: BackgroundTask[EngineProgress, Measured] = BackgroundTask("vision-check")
        self.remote_query: BackgroundTask[EngineProgress, remote_query.RemoteEngineReport] = BackgroundTask(
            "remote-query"
        )

        self.preflight: BackgroundTask[None, Checked] = BackgroundTask("preflight")

    def close(self) -> None:
        """Stop them."""
        for task in (self.vision_check, self.remote_query, self.preflight):
            task.close()

    @requires("administrator")
    def start_preflight(self, model_settings: ModelSettings, *, then: Callable[[], None] = lambda: None) -> None:
        """Start a check of a model and its settings; a model without local data is looked up on the hub.

        Args:
            model_settings: The model and its settings.
            then: Called at the end, in the task, unless a finding stops a start.

        Raises:
            AppError: A setting is invalid, or another check is running.
        """
        checked = model_settings if model_settings.config is not None else replace(model_settings, vllm_config="")
        settings = self._services.model_switch.with_local_model(self._settings, **checked.named)
        vllm_config = None if checked is model_settings else model_settings.written
        status = self._switcher.session.engine.status()
        runs = status.kind != "remote" and status.state in ("starting", "ready")

        def work(_: Callable[[None], None], __: threading.Event) -> Checked:
            findings = preflight(settings, vllm_config, engine_runs=runs, asks_hub=True)
            # The button already says that the model has to be downloaded.
            findings = tuple(finding for finding in findings if finding.key != "doctor_model_absent")
            if not any(finding.severity == "stops" for finding in findings):
                then()
            return model_settings, findings

        _begin(self.preflight, "check_under_way", model_settings.model, work)

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
        settings = self._services.model_switch.with_remote_engine(
            self._settings, base_url=base_url, api_key=api_key, model=model
        )
        _begin(self.remote_query, "check_under_way", settings.base_url, partial(remote_query.call, settings))

    @property
    def _settings(self) -> Settings:
        return self._switcher.session.settings


def tasks_of(services: Services) -> ModelTasks:
    """Return the background tasks of these services."""
    return services.part("models", ModelTasks)


def _begin(
    task: BackgroundTask[P, T],
    under_way: str,
    subject: str,
    work: Callable[[Callable[[P], None], threading.Event], T],
) -> None:
    """Start the task, or raise the AppError `under_way` if it runs."""
    if not task.start(work, subject=subject):
        raise AppError(under_way, model=task.subject)
