"""Builder of engines that run on this machine, with the checks before their start and downloads that are confirmed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from framelens.config import Settings
from framelens.core.domain import Notice
from framelens.core.engines.model_hub import is_offline
from framelens.core.errors import AppError, ModelNotFound
from framelens.core.events import ProgressListener
from framelens.engine.base import Engine, NullEngine
from framelens.engine.local.launch_checks import launch_checks
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.model_arguments import computes_wide, least_cache_gib
from framelens.engine.local.transformers import transformers_launcher
from framelens.engine.local.vllm import speech_launcher, vllm_launcher
from framelens.engine.model_names import resolve_named_model
from framelens.store.model_records import confirmed_downloads

Fetch = Callable[[ProgressListener, threading.Event], Path]


def build_local_engine(settings: Settings) -> tuple[Engine, tuple[Notice, ...]]:
    """Build the local engine that the settings describe.

    Returns:
        The engine, a NullEngine if it cannot be built, and notices about changes made to fit this machine.
    """
    checks = launch_checks(settings)
    try:
        if settings.engine == "transformers":
            launcher = transformers_launcher(settings.model_path, allow_pickle=settings.allow_pickle)
        else:
            launcher = vllm_launcher(
                settings.model_path,
                _arguments(settings),
                wide=computes_wide(settings),
                cache_gib=least_cache_gib(settings),
                allow_pickle=settings.allow_pickle,
            )
    except AppError as error:
        return NullEngine(settings.model_path, error), ()
    launcher = replace(launcher, inspect=checks.inspect, fetch=partial(_fetch, settings, launcher.fetch))
    engine = LocalEngine(launcher, log_dir=settings.data_dir / "engine")
    return engine, launcher.notices if settings.dtype_chosen else ()  # they are about the dtype


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return vLLM's arguments; frames as a video need the server to trust our own requests, and room for a video."""
    if settings.frames_as == "images":
        return settings.vllm_config
    limits = settings.vllm_config.get("limit_mm_per_prompt")
    limit = {"limit_mm_per_prompt": {**limits, "video": limits.get("video") or 1}} if isinstance(limits, dict) else {}
    return {**settings.vllm_config, **limit, "trust_request_mm_kwargs": True}


def _fetch(settings: Settings, fetch: Fetch, on_progress: ProgressListener, cancel: threading.Event) -> Path:
    """Fetch the model, but download it only if the user has confirmed the download.

    Raises:
        ModelNotFound: "model_unconfirmed", or an error of `fetch`.
    """
    reference = resolve_named_model(settings.model_path, settings.data_dir)
    if reference.folder is not None or reference.hub_id is None or is_offline():
        return fetch(on_progress, cancel)
    confirmed = confirmed_downloads(settings.data_dir)
    if not confirmed.get(reference.hub_id):
        raise ModelNotFound("model_unconfirmed", model=reference.hub_id)
    folder = fetch(on_progress, cancel)
    confirmed.save(reference.hub_id, None)
    return folder


def build_local_speech_engine(settings: Settings) -> Engine:
    """Build the engine that transcribes speech on this machine: vLLM with the speech model of the settings."""
    try:
        launcher = speech_launcher(
            settings.speech_model_path,
            settings.speech_config,
            allow_pickle=settings.allow_pickle,
        )
    except AppError as error:
        return NullEngine(settings.speech_model_path, error)
    return LocalEngine(launcher, log_dir=settings.data_dir / "speech-engine")
