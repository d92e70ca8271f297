"""Engines that may run on this machine, each asked by its own protocol for its models and for those that see.

Sources: Ollama's API (`/api/tags`, `capabilities` of `/api/show`), LM Studio's REST API (`type` in `/api/v0/models`),
llama.cpp's server (`modalities` in `/props`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from framelens.plugin.chat import LocalServer
from framelens.plugin.engines import LOCAL_SECONDS, get_json, post_json, served_models

_MOST_MODELS = 30
"""Models of an engine that are asked about."""


def ask_ollama(root: str) -> Iterator[tuple[str, bool | None]]:
    """Ask Ollama; older versions don't say which models see. Models for embeddings are left out."""
    listed: Any = get_json(f"{root}/api/tags", timeout_seconds=LOCAL_SECONDS)
    for entry in listed["models"][:_MOST_MODELS]:
        details: Any = post_json(f"{root}/api/show", {"model": entry["name"]}, timeout_seconds=LOCAL_SECONDS)
        abilities = details.get("capabilities")
        if abilities is None or "completion" in abilities:
            yield entry["name"], None if abilities is None else "vision" in abilities


def ask_lm_studio(root: str) -> Iterator[tuple[str, bool | None]]:
    """Ask LM Studio."""
    listed: Any = get_json(f"{root}/api/v0/models", timeout_seconds=LOCAL_SECONDS)
    for entry in listed["data"][:_MOST_MODELS]:
        if entry["type"] in ("llm", "vlm"):
            yield entry["id"], entry["type"] == "vlm"


def ask_llama_server(root: str) -> Iterator[tuple[str, bool | None]]:
    """Ask llama-server."""
    properties: Any = get_json(f"{root}/props", timeout_seconds=LOCAL_SECONDS)
    sees = properties.get("modalities", {}).get("vision")
    for name in served_models(get_json(f"{root}/v1/models", timeout_seconds=LOCAL_SECONDS)):
        yield name, sees


SERVERS = (
    LocalServer("Ollama", 11434, ask_ollama),
    LocalServer("LM Studio", 1234, ask_lm_studio),
    LocalServer("llama-server", 8080, ask_llama_server),
)
