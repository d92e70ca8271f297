"""Architectures, model types and quantisation methods that the installed vLLM and transformers support.

The engines themselves tell them (`engine_probe.py`). What isn't known is an empty set, and so is all of vLLM with
plugins, since a plugin may add to its tables in one process and not in another.
"""

import functools
from importlib import metadata
from typing import Literal

from framelens.core.engines.engine_record import engine_faults, engine_record
from framelens.engine.engine_probe import ensure_record

_TABLES = {
    "vllm": ("arguments", "architectures", "vllm_model_types", "quantisations"),
    "transformers": ("transformers_model_types", "transformers_classes"),
}


def architectures() -> frozenset[str]:
    """Return the architectures that vLLM has a class for, empty if unknown."""
    return frozenset() if _has_plugins() else _known("architectures")


def model_types() -> frozenset[str]:
    """Return the `model_type`s whose config.json vLLM reads without the model's own code, empty if unknown."""
    in_vllm, in_transformers = _known("vllm_model_types"), transformers_model_types()
    return in_vllm | in_transformers if in_vllm and in_transformers and not _has_plugins() else frozenset()


def transformers_model_types() -> frozenset[str]:
    """Return the model types that transformers reads, empty if unknown; vLLM adds some of its own."""
    return _known("transformers_model_types")


def quantisations() -> frozenset[str]:
    """Return the names of vLLM's quantisation methods, empty if unknown."""
    return frozenset() if _has_plugins() else _known("quantisations")


def has_transformers_class(architecture: str) -> bool:
    """Check whether transformers has a class of this name."""
    return architecture in _known("transformers_classes")


def may_run_in_vllm(model_type: str) -> bool:
    """Check whether vLLM could run transformers' class for this vision model: its processor must count tokens."""
    return model_type not in _known("types_without_count")


def silence(engine: Literal["vllm", "transformers"]) -> str:
    """Return why an installed engine didn't say what it supports, "" if it did."""
    ensure_record()
    return next(iter(engine_faults(*_TABLES[engine])), "")


def _known(table: str) -> frozenset[str]:
    ensure_record()
    return frozenset(engine_record().get(table, ()))


@functools.cache
def _has_plugins() -> bool:
    """Check whether a third-party package registers a vLLM plugin."""
    found = metadata.entry_points(group="vllm.general_plugins")
    return any(not (point.dist and point.dist.name.startswith("vllm")) for point in found)
