"""Which engine fits a model on this machine: vLLM where it knows the model and can compute there, else transformers."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from app.engine.hardware import Device
from app.errors import EngineError

Kind = Literal["vllm", "transformers"]
WantedDevice = Literal["auto", "cpu", "cuda"]


_VLLM_NEEDS = {"avx2", "asimd"}
"""What one of an x86 or an ARM processor must have: vLLM is built for nothing older, transformers needs neither."""


def fitting_engine(
    architecture: str | None,
    wanted: WantedDevice,
    *,
    installed: Device | None,
    known: Set[str],
    prefers: Kind | None,
    cpu_features: Set[str] = frozenset(),
) -> Kind:
    """The engine for a model whose config.json names this `architecture` (None where it is not known yet).

    `installed`: what the installed vLLM computes on, None without one. `known`: the architectures that it has; none
    known means that nobody can tell. `prefers`: what the catalogue says of the model. `cpu_features`: as /proc/cpuinfo
    names them, none where it does not. Memory decides nothing: the weights are the same for both, and vLLM's cache
    can be set. Raises EngineError where cards are asked for and nothing here computes on them.
    """
    if wanted == "cuda" and installed != "gpu":
        raise EngineError("serve_no_cuda")
    if installed is None or (wanted == "cpu" and installed == "gpu"):  # that build does not compute on processors
        return "transformers"
    if installed == "cpu" and cpu_features and not _VLLM_NEEDS & cpu_features:
        return "transformers"
    if prefers == "transformers" or (architecture and known and architecture not in known):
        return "transformers"
    return "vllm"
