"""Serving settings of a model: the arguments of vLLM that decide how much memory it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framelens.core.domain import Device
from framelens.models.architecture import Shape
from framelens.models.formats import FormatKey

_UNITS = {"k": 1000, "m": 10**6, "K": 1024, "M": 1024**2}
_FORMATS: Mapping[str, FormatKey] = {
    "half": "fp16", "float16": "fp16", "bfloat16": "bf16", "float": "fp32", "float32": "fp32",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Settings that affect memory. The defaults are vLLM's for cards below 70 GiB.

    Attributes:
        sequences: Requests in flight, each of `max_model_len` tokens.
        format: Number format of the weights; None for the checkpoint's own.
        largest_picture_px: Limit of a picture's pixels, set with `mm_processor_kwargs`; None for the model's own.
    """

    max_model_len: int = 8192
    sequences: int = 1
    format: FormatKey | None = None
    largest_picture_px: int | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    batched_tokens: int = 2048
    max_num_seqs: int = 256
    eager: bool = False
    device: Device = "gpu"

    @property
    def cards(self) -> int:
        """Return the number of cards."""
        return self.tensor_parallel * self.pipeline_parallel

    @classmethod
    def parse(cls, arguments: Mapping[str, Any], *, device: Device = "gpu", sequences: int = 1) -> Plan:
        """Build the plan of a VLLM_CONFIG; missing settings are vLLM's defaults, and a length of 8192.

        Args:
            arguments: Settings that have passed `core.engines.vllm_arguments.check_arguments`. A data type doesn't
                affect quantised weights.
            device: The device that runs the model.
            sequences: Requests in flight.
        """
        usual = cls(max_num_seqs=128 if device == "cpu" else 256)
        pixels = (arguments.get("mm_processor_kwargs") or {}).get("max_pixels")
        number_format = _FORMATS.get(str(arguments.get("dtype")))
        return cls(
            max_model_len=_number(arguments.get("max_model_len"), usual.max_model_len),
            sequences=sequences,
            format="fp8" if str(arguments.get("quantization")).startswith("fp8") else number_format,
            largest_picture_px=pixels if isinstance(pixels, int) else None,
            tensor_parallel=_number(arguments.get("tensor_parallel_size"), 1),
            pipeline_parallel=_number(arguments.get("pipeline_parallel_size"), 1),
            batched_tokens=_number(arguments.get("max_num_batched_tokens"), usual.batched_tokens),
            max_num_seqs=_number(arguments.get("max_num_seqs"), usual.max_num_seqs),
            eager=bool(arguments.get("enforce_eager", device == "cpu")),
            device=device,
        )


def number_bytes(shape: Shape, plan: Plan) -> int:
    """Return the bytes of a number that isn't quantised, and of a number in the cache: 4 or 2."""
    if plan.format is not None:
        return 4 if plan.format == "fp32" else 2
    return 4 if shape.dtype == "float32" else 2


def _number(value: Any, usual: int) -> int:
    """Parse a whole number, written as 8192 or as vLLM's 8k or 8K; return `usual` for None and for "auto"."""
    if isinstance(value, str) and value[-1:] in _UNITS:
        try:
            return round(float(value[:-1]) * _UNITS[value[-1]])
        except ValueError:
            return usual
    text = str(value)
    return int(text) if text.isdecimal() and int(text) > 0 else usual
