"""Model of the settings before an engine starts: its shape, and vLLM's arguments on this machine.

Nothing heavy is imported, and no network is used.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framelens.config import Settings
from framelens.core.engines.vllm_arguments import brings_tokenizer, kv_cache_gib
from framelens.core.errors import AppError
from framelens.core.units import GIB
from framelens.engine.hardware import cpu_cores, cpu_flags, installed_vllm, memory_bytes
from framelens.engine.local.vllm import fit_arguments, vllm_launcher
from framelens.engine.model_resolution import check_model_folder, resolve_model
from framelens.models.architecture import Shape
from framelens.models.catalogue import Catalogue
from framelens.models.checkpoint import loaded_bytes, shape_in
from framelens.models.config import read_shape
from framelens.models.formats import is_faster_wide, prefers_float32
from framelens.models.memory import MemoryEstimate, float32_bytes
from framelens.models.placement import USABLE
from framelens.models.serving_plan import Plan

_OF_VLLM = ("VLLM_", "CPU_VISIBLE_", "CUDA_VISIBLE_")
"""Beginnings of variables that vLLM reads."""


def computes_wide(settings: Settings) -> bool:
    """Return whether `half` should become float32 on this machine's CPU (`wide` of `fit_arguments`)."""
    if not prefers_float32(cpu_flags(), cpu_cores()) or (installed_vllm() or ("", ""))[0] != "cpu":
        return False
    return is_wide(Checkpoint.shape_of(settings), settings.vllm_config, memory_bytes())


def is_wide(shape: Shape | None, arguments: Mapping[str, Any], memory: int) -> bool:
    """Return whether float32 makes a model faster on a processor that prefers it, and fits in `memory` bytes."""
    if shape is None or not is_faster_wide(shape):
        return False
    cache = arguments.get("kv_cache_memory_bytes")
    cache_bytes = cache if isinstance(cache, int) else kv_cache_gib(memory) * GIB
    return float32_bytes(shape, arguments, cache_bytes) <= memory * USABLE


def effective_arguments(settings: Settings) -> Mapping[str, Any]:
    """Return VLLM_CONFIG as adapted to this machine, with which the engine is started."""
    device = (installed_vllm() or ("gpu", ""))[0]
    return fit_arguments(settings.vllm_config, device, wide=computes_wide(settings))[0]


def least_cache_gib(settings: Settings) -> int:
    """Return the size in GiB of a key-value cache for one request of the model's context; 0 if that is unknown."""
    shape, arguments = Checkpoint.shape_of(settings), effective_arguments(settings)
    if shape is None or not isinstance(length := arguments.get("max_model_len"), int):
        return 0
    each = MemoryEstimate.of(shape, Plan.parse(arguments, device="cpu")).cache_bytes_per_token
    return math.ceil(max(0, length) * each / GIB)


def engine_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that vLLM gets on this machine, with those that its launcher adds; few without a vLLM."""
    try:
        launcher = vllm_launcher(
            settings.model_path, settings.vllm_config, cache_gib=least_cache_gib(settings), allow_pickle=True
        )
        added = launcher.environment("")
    except AppError:  # no vLLM here
        added = {}
    variables = {**settings.passed_on, **os.environ, **added}
    return {name: value for name, value in variables.items() if name.startswith(_OF_VLLM)}


def check_folder(folder: Path, settings: Settings) -> None:
    """Check that the engine of the settings could load the model in a folder; raise ModelNotFound if not."""
    needs_tokenizer = not brings_tokenizer(settings.vllm_config)
    check_model_folder(folder, needs_tokenizer=needs_tokenizer, allow_pickle=settings.allow_pickle)


@dataclass(frozen=True)
class Checkpoint:
    """Files of a model, here or on the hub, as far as they can be read.

    Attributes:
        config: Its config.json, None if there is none.
        shape: None for a family that the calculator doesn't know, which skips some checks.
        weights_bytes: Fewest bytes of weights that an engine loads, on the hub those that are stored; 0 if unknown.
    """

    config: Mapping[str, Any] | None = None
    shape: Shape | None = None
    weights_bytes: int = 0

    @classmethod
    def in_folder(cls, folder: Path) -> Checkpoint:
        """Read the files in a folder."""
        config = _read_config(folder)
        return cls(config, _known_shape(config, folder), loaded_bytes(folder))

    @staticmethod
    def shape_of(settings: Settings) -> Shape | None:
        """Return the shape of a model that is on this machine, or in the catalogue by its full name; else None."""
        try:
            folder = resolve_model(settings.model_path).folder
        except AppError:
            return None
        if folder is not None:
            return _known_shape(_read_config(folder), folder)
        entry = Catalogue.load(settings.data_dir / "models").by_id.get(settings.model_path)
        return entry.shape if entry else None

    @classmethod
    def on_hub(cls, hub_id: str) -> Checkpoint:
        """Ask the hub for the files that describe a model."""
        from framelens.engine.downloads.hub import hub_config, hub_weights_bytes  # few callers ask the hub

        if (config := hub_config(hub_id)) is None:
            return cls()
        stored, shape = hub_weights_bytes(hub_id), _known_shape(config)
        return cls(config, replace(shape, stored_bytes=stored) if shape else None, stored)


def _read_config(folder: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads((folder / "config.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _known_shape(config: Mapping[str, Any] | None, folder: Path | None = None) -> Shape | None:
    try:
        if config is None:
            return None
        return shape_in(folder, config) if folder else read_shape(config)
    except AppError:
        return None
