"""Engines that already run on this machine: Ollama, LM Studio, llama-server and vLLM at their usual ports.

Each is asked by its own protocol for its models and for those that see. Only loopback is asked, and whatever else
answers at a port is left out. Sources: Ollama's API (`/api/tags`, `capabilities` of `/api/show`), LM Studio's REST API
(`type` in `/api/v0/models`), llama.cpp's server (`modalities` in `/props`).

This module finds no engine at another port, and none that wants a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from framelens.core.errors import AppError
from framelens.engine.endpoints import is_vllm, served_models
from framelens.engine.short_requests import NoAnswer, get_json, post_json

_SECONDS = 1.0
"""Wait for an answer on this machine. A port where no program listens refuses at once."""
_MOST_MODELS = 30
"""Models of an engine that are asked about."""


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


def _ollama(root: str) -> Iterator[RunningModel]:
    listed: Any = get_json(f"{root}/api/tags", timeout_seconds=_SECONDS)
    for entry in listed["models"][:_MOST_MODELS]:
        shown: Any = post_json(f"{root}/api/show", {"model": entry["name"]}, timeout_seconds=_SECONDS)
        abilities = shown.get("capabilities")
        if abilities is None or "completion" in abilities:  # older versions don't say; embeddings answer nothing
            yield RunningModel(entry["name"], None if abilities is None else "vision" in abilities)


def _lm_studio(root: str) -> Iterator[RunningModel]:
    listed: Any = get_json(f"{root}/api/v0/models", timeout_seconds=_SECONDS)
    for entry in listed["data"][:_MOST_MODELS]:
        if entry["type"] in ("llm", "vlm"):
            yield RunningModel(entry["id"], entry["type"] == "vlm")


def _llama_server(root: str) -> Iterator[RunningModel]:
    properties: Any = get_json(f"{root}/props", timeout_seconds=_SECONDS)
    sees = properties.get("modalities", {}).get("vision")
    for name in served_models(get_json(f"{root}/v1/models", timeout_seconds=_SECONDS)):
        yield RunningModel(name, sees)


def _vllm(root: str) -> Iterator[RunningModel]:
    listed = get_json(f"{root}/v1/models", timeout_seconds=_SECONDS)
    if is_vllm(listed):
        yield from (RunningModel(name, None) for name in served_models(listed))


PLACES: tuple[tuple[str, int, Callable[[str], Iterator[RunningModel]]], ...] = (
    ("Ollama", 11434, _ollama),
    ("LM Studio", 1234, _lm_studio),
    ("llama-server", 8080, _llama_server),
    ("vLLM", 8000, _vllm),
)
"""The name of each product, its usual port, and what asks for its models."""


def running_engines() -> tuple[RunningEngine, ...]:
    """Return the engines that run here and have a model, in the order of `PLACES`."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda place: _engine(*place), PLACES)
        return tuple(engine for engine in found if engine)


def _engine(product: str, port: int, models: Callable[[str], Iterator[RunningModel]]) -> RunningEngine | None:
    root = f"http://127.0.0.1:{port}"
    try:
        found = sorted(models(root), key=lambda model: model.sees is not True)
    except (NoAnswer, AppError, KeyError, TypeError, AttributeError):  # no engine, or another program
        return None
    return RunningEngine(product, f"{root}/v1", tuple(found)) if found else None
