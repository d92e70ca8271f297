"""Number formats of model weights: the cost of each, and the devices that run it.

Capabilities are NVIDIA's compute capability (7.5 Turing, 8.0 Ampere, 8.9 Ada, 9.0 Hopper). 7.5 is the lowest for which
vLLM 0.32 has kernels, whatever the format; CPU support is that version's, too. Bits of AWQ and GPTQ count the scale and
the zero point that 128 numbers share, bits of GGUF are llama.cpp's averages for Q4_K_M and Q8_0. AWQ and GPTQ are slow
on a CPU: without AMX, vLLM's 4-bit kernel unpacks the weights again for every step; a 3B model generated a third as
many tokens a second with AWQ as in bfloat16.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from framelens.models.architecture import Quantisation, Shape

Runs = Literal["yes", "slow", "no"]
FormatKey = Literal["fp32", "bf16", "fp16", "int8", "fp8", "awq", "gptq", "gguf_q8", "gguf_q4"]


@dataclass(frozen=True)
class NumberFormat:
    """A number format; its text is `models.format.<key>` in the language files.

    Attributes:
        least_capability: Lowest compute capability that can load the format; None if vLLM doesn't load it at all.
        full_capability: Lowest capability of cards that compute in the format; lower cards unpack weights first.
        arguments: Arguments with which vLLM loads ordinary weights in this format; None if the checkpoint must be
            converted.
    """

    key: FormatKey
    bits: float
    least_capability: float | None
    full_capability: float | None
    cpu: Runs
    arguments: MappingProxyType[str, Any] | None = None

    @staticmethod
    def of(shape: Shape) -> NumberFormat:
        """Return the format in which the checkpoint itself is stored."""
        quantised = shape.quantisation
        if quantised is None:
            return BY_KEY[_PLAIN[shape.dtype]]
        if quantised.method in _STORED and (quantised.method != "gptq" or quantised.bits == 4):
            return BY_KEY[_STORED[quantised.method]]
        return BY_KEY["int8" if quantised.bits == 8 else "gptq"]


def _arguments(**values: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(values)


NUMBER_FORMATS: tuple[NumberFormat, ...] = (
    NumberFormat("fp32", 32, 7.5, 7.5, "yes", _arguments(dtype="float32")),
    NumberFormat("bf16", 16, 8.0, 8.0, "yes", _arguments(dtype="bfloat16")),
    NumberFormat("fp16", 16, 7.5, 7.5, "slow", _arguments(dtype="half")),
    NumberFormat("int8", 8.125, 7.5, 7.5, "yes"),
    NumberFormat("fp8", 8, 7.5, 8.9, "slow", _arguments(quantization="fp8")),
    NumberFormat("awq", 4 + 20 / 128, 7.5, 8.0, "slow"),
    NumberFormat("gptq", 4 + 20 / 128, 7.5, 8.0, "slow"),
    NumberFormat("gguf_q8", 8.5, None, None, "no"),
    NumberFormat("gguf_q4", 4.85, None, None, "no"),
)
BY_KEY = MappingProxyType({number_format.key: number_format for number_format in NUMBER_FORMATS})
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_FEW_CORES = 2
_STORED: dict[str, FormatKey] = {"awq": "awq", "gptq": "gptq", "fp8": "fp8"}
_PLAIN: dict[str, FormatKey] = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def has_bfloat16(flags: Set[str]) -> bool:
    """Return whether a processor with these flags of /proc/cpuinfo has bfloat16 instructions; True without flags."""
    return not flags or not _BFLOAT16_FLAGS.isdisjoint(flags)


def prefers_float32(flags: Set[str], cores: int | None) -> bool:
    """Return whether a processor of these flags and cores reads pictures faster in float32 than in bfloat16.

    A processor without bfloat16 instructions converts every number first: on two cores a 3B took 27.9 s for a frame in
    bfloat16 and 7.1 s in float32, but wrote 3.3 tokens a second against 1.9, as float32 reads twice as many bytes. So
    float32 is faster with few cores, which compute slowly, and bfloat16 with more.
    """
    return not has_bfloat16(flags) and cores is not None and cores <= _FEW_CORES


def is_faster_wide(shape: Shape) -> bool:
    """Return whether a processor that prefers float32 runs the model faster in it: a model with vision, not quantised.

    The kernels of a quantised model and of linear attention compute in 16 bits only.
    """
    return shape.vision is not None and shape.quantisation is None and not shape.text.is_hybrid


def stored(shape: Shape, key: FormatKey | None) -> Quantisation | None:
    """Return how the linear layers are kept in memory when `shape` is loaded in the format `key`.

    A quantised checkpoint stays quantised: the requested data type is the type in which vLLM computes.

    Args:
        shape: The model.
        key: The format; None for the checkpoint's own.
    """
    if shape.quantisation is not None or key is None or key in _PLAIN.values():
        return shape.quantisation
    number_format = BY_KEY[key]
    if key in ("awq", "gptq"):
        return Quantisation(key, 4, 128)
    return Quantisation(key, round(number_format.bits), 128 if number_format.bits > round(number_format.bits) else 0)
