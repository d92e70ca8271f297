"""Engines that already run on this machine: vLLM at its usual port, and those that a plugin knows.

Only loopback is asked, and whatever else answers at a port is left out. This module finds no engine at another port,
and none that wants a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from framelens.core.errors import AppError
from framelens.engine.endpoints import is_vllm, served_models
from framelens.engine.short_requests import NoAnswer, get_json
from framelens.llm.dialects import Ask, LocalServer, dialects

_LOCAL_SECONDS = 1.0
"""Wait for an answer on this machine. A port where no program listens refuses at once."""


@dataclass(frozen=True)
class RunningModel:
    """A model of an engine that runs here.

    Attributes:
        name: Its name there.
        sees: Whether it takes pictures; None if the engine doesn't say.
    """

    name: str
    sees: bool | None


@dataclass(frozen=True)
class RunningEngine:
    """An engine that runs here: its product's name, its address, and its models, those that see first."""

    product: str
    base_url: str
    models: tuple[RunningModel, ...]


def _ask_vllm(ask: Ask) -> Iterator[tuple[str, bool | None]]:
    models = ask("/v1/models")
    if is_vllm(models):
        yield from ((name, None) for name in served_models(models))


VLLM = LocalServer("vLLM", 8000, _ask_vllm)


def local_servers() -> tuple[LocalServer, ...]:
    """Return the engines that are looked for, vLLM last."""
    return (*dialects().servers, VLLM)


def running_engines() -> tuple[RunningEngine, ...]:
    """Return the engines that run here and have a model, in the order of `local_servers`."""
    with ThreadPoolExecutor() as pool:
        return tuple(filter(None, pool.map(_running_engine, local_servers())))


def _ask(root: str, path: str, sent: object = None) -> object:
    return get_json(f"{root}{path}", sent=sent, timeout_seconds=_LOCAL_SECONDS)


def _running_engine(server: LocalServer) -> RunningEngine | None:
    root = f"http://127.0.0.1:{server.port}"
    try:
        models = [RunningModel(name, sees) for name, sees in server.ask_models(partial(_ask, root))]
    except (NoAnswer, AppError, KeyError, TypeError, AttributeError):  # no engine, or another program
        return None
    models.sort(key=lambda model: model.sees is not True)
    return RunningEngine(server.product, f"{root}/v1", tuple(models)) if models else None
