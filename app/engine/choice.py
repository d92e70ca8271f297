"""Which engine fits a model on this machine: vLLM where it knows the model and can compute there, else transformers."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from app.engine.hardware import Device
from app.errors import EngineError

Kind = Literal["vllm", "transformers"]
WantedDevice = Literal["auto", "cpu", "cuda"]


def fitting_engine(
    architecture: str | None, wanted: WantedDevice, *, installed: Device | None, known: Set[str], prefers: Kind | None
) -> Kind:
    """The engine for a model whose config.json names this `architecture` (None where it is not known yet).

    `installed`: what the installed vLLM computes on, None without one. `known`: the architectures that it has; none
    known means that nobody can tell. `prefers`: what the catalogue says of the model. Raises EngineError where cards
    are asked for and nothing here computes on them.
    """
    if wanted == "cuda" and installed != "gpu":
        raise EngineError("serve_no_cuda")
    if installed is None or (wanted == "cpu" and installed == "gpu"):  # that build does not compute on processors
        return "transformers"
    if prefers == "transformers" or (architecture and known and architecture not in known):
        return "transformers"
    return "vllm"
