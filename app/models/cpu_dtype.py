"""In which numbers a CPU computes: in 16 bits where it has instructions for them, else in 32 where that is sooner done.

A processor without instructions for bfloat16 converts every number on the way. By catalogue/measured.toml it then looks
at a frame four times as long as in float32, where it writes little more than half as fast, since it reads twice as
much: with few cores float32 is sooner done, with many bfloat16.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from app.models.architecture import Shape
from app.models.cpu_speed import Pace, Speed, reference, work_of
from app.models.memory import memory_of
from app.models.serving_plan import plan_of

_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_SHARE = 0.9
"""Of all memory: the rest is for the system, the application and the video."""


def has_bfloat16(flags: Set[str]) -> bool:
    """Whether a processor with these flags in /proc/cpuinfo has instructions for it; so taken where none is known."""
    return not flags or not _INSTRUCTIONS.isdisjoint(flags)


def usual_speed(flags: Set[str], cores: int | None = None) -> Speed:
    """Of a processor, as far as its flags and its cores tell."""
    return reference(cores, bfloat16=has_bfloat16(flags))


def paces(shape: Shape, arguments: Mapping[str, Any], speed: Speed) -> tuple[Pace, Pace]:
    """In bfloat16 and in float32."""
    narrow, wide = (plan_of({**arguments, "dtype": dtype}, device="cpu") for dtype in ("bfloat16", "float32"))
    return speed.pace(work_of(shape, narrow)), speed.pace(work_of(shape, wide))


def float32_bytes(shape: Shape, arguments: Mapping[str, Any], cache_bytes: int) -> int:
    """What the model takes in float32 on a CPU, with a cache of this size."""
    needed = memory_of(shape, plan_of({**arguments, "dtype": "float32"}, device="cpu"))
    return needed.card_bytes - needed.of("cache") + cache_bytes


def is_better_wide(shape: Shape | None, arguments: Mapping[str, Any], speed: Speed) -> bool:
    """Whether a frame with its share of the answer is sooner done in float32.

    Not of a quantised model: its kernels compute in 16 bits alone. Nor of one of which nothing is known.
    """
    if shape is None or shape.quantisation is not None:
        return False
    narrow, wide = paces(shape, arguments, speed)
    return wide.each_seconds < narrow.each_seconds


def fits_wide(shape: Shape, arguments: Mapping[str, Any], memory_bytes: int, cache_bytes: int) -> bool:
    """Whether all of `memory_bytes` is enough for the model in float32, with a cache of this size."""
    return float32_bytes(shape, arguments, cache_bytes) <= memory_bytes * _SHARE
