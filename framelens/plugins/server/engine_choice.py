"""Choice of the engine for a model: vLLM, or transformers where vLLM can't run it."""

from collections.abc import Set
from typing import Literal

from framelens import EngineError
from framelens.engine.hardware import Device

Kind = Literal["vllm", "transformers"]
RequestedDevice = Literal["auto", "cpu", "cuda"]
_VLLM_NEEDS = {"avx2", "asimd"}
"""vLLM is built for processors with one of these (x86, ARM); transformers needs neither."""


def choose_engine(
    wanted: RequestedDevice,
    *,
    installed: Device | None,
    prefers: Kind | None,
    cpu_features: Set[str] = frozenset(),
) -> Kind:
    """Choose the engine for a model.

    Memory is not considered: the weights are the same for both engines, and vLLM's cache can be set.

    Args:
        wanted: Requested device.
        installed: Device of the installed vLLM; None without vLLM.
        prefers: Engine of the model, or of one of the same type, in the catalogue; None if unknown.
        cpu_features: CPU flags as in /proc/cpuinfo; empty if unknown.

    Raises:
        EngineError: CUDA is requested and the installed engine cannot use it.
    """
    if wanted == "cuda" and installed != "gpu":
        raise EngineError("serve_no_cuda")
    if installed is None or (wanted == "cpu" and installed == "gpu"):  # that build does not compute on processors
        return "transformers"
    if installed == "cpu" and cpu_features and not _VLLM_NEEDS & cpu_features:
        return "transformers"
    return prefers or "vllm"
