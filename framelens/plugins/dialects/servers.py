"""Engines that may run on this machine, each asked by its own protocol for its models and for those that see.

Sources: Ollama's API (`/api/tags`, `capabilities` of `/api/show`), LM Studio's REST API (`type` in `/api/v0/models`),
llama.cpp's server (`modalities` in `/props`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from framelens.plugin.chat import LocalServer
from framelens.plugin.engines import served_models

Ask = Callable[..., Any]
_MOST_MODELS = 30
"""Models of an engine that are asked about."""


def ask_ollama(ask: Ask) -> Iterator[tuple[str, bool | None]]:
    """Ask Ollama; older versions don't say which models see. Models for embeddings are left out."""
    listed = ask("/api/tags")
    for entry in listed["models"][:_MOST_MODELS]:
        details = ask("/api/show", {"model": entry["name"]})
        abilities = details.get("capabilities")
        if abilities is None or "completion" in abilities:
            yield entry["name"], None if abilities is None else "vision" in abilities


def ask_lm_studio(ask: Ask) -> Iterator[tuple[str, bool | None]]:
    """Ask LM Studio."""
    listed = ask("/api/v0/models")
    for entry in listed["data"][:_MOST_MODELS]:
        if entry["type"] in ("llm", "vlm"):
            yield entry["id"], entry["type"] == "vlm"


def ask_llama_server(ask: Ask) -> Iterator[tuple[str, bool | None]]:
    """Ask llama-server."""
    properties = ask("/props")
    sees = properties.get("modalities", {}).get("vision")
    for name in served_models(ask("/v1/models")):
        yield name, sees


SERVERS = (
    LocalServer("Ollama", 11434, ask_ollama),
    LocalServer("LM Studio", 1234, ask_lm_studio),
    LocalServer("llama-server", 8080, ask_llama_server),
)
