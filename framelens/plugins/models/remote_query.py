"""Query of a remote engine: what it serves, and whether it sees images."""

import threading
from dataclasses import dataclass

from framelens import EngineProgress, Notice
from framelens.plugin import Settings
from framelens.plugin.chat import prove_sight
from framelens.plugin.engines import NoAnswer, build_engine, get_json, served_models
from framelens.plugin.processes import ProgressListener

_CALL_SECONDS = 120.0
"""Timeout of a request to a remote engine."""


@dataclass(frozen=True)
class RemoteEngineReport:
    """Reply of a remote engine: the models that it serves, the model in use, and whether that model sees images.

    Of several engines it is the reply of a single engine; `base_url` has all that answer, and notices name the others.
    """

    base_url: str
    served: tuple[str, ...]
    model: str
    sees: bool | None
    notices: tuple[Notice, ...] = ()


def call(settings: Settings, on_progress: ProgressListener, cancel: threading.Event) -> RemoteEngineReport:
    """Ask the remote engine of these settings for the models that it serves, and whether it accepts images.

    Raises:
        AppError: The engine cannot be reached or doesn't answer.
    """
    from framelens.plugin.chat import connect

    (engine, _), api_key = build_engine(settings), settings.api_key
    try:
        endpoint = engine.ensure_ready(on_progress, cancel)
    finally:
        engine.stop()
    on_progress(EngineProgress("probing_vision"))
    chat = connect(endpoint.base_url, api_key=api_key, model=endpoint.model, timeout_seconds=_CALL_SECONDS)
    sight = prove_sight(chat, cancel=cancel)
    answering = ", ".join(status.info.base_url for status in engine.statuses() if status.info)
    served = _served_models(endpoint.base_url, api_key)
    return RemoteEngineReport(answering, served, endpoint.model, sight.sees, engine.status().notices)


def _served_models(base_url: str, api_key: str) -> tuple[str, ...]:
    try:
        return tuple(served_models(get_json(f"{base_url}/models", api_key=api_key, timeout_seconds=10.0)))
    except NoAnswer:  # it answers for a model without listing any
        return ()
