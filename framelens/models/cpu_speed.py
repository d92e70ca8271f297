"""Estimates of a model's speed on a CPU, per frame and per token, from its shape and from measurements.

A frame is limited by computing: the tower's weights are applied to each of its patches and the layers' weights to each
of its tokens, two operations each time. A token is limited by reading: every weight it uses comes from memory once. So
a machine has two rates, two more for layers in 4 bits, which are unpacked on the way, and two for numbers of 32 bits.
Attention is left out: at the size of the frames sent to a CPU it is less than a tenth. The reference rates come from
the runs in catalogue/measured.toml, on a machine with instructions for bfloat16 and on one without.

A processor without instructions for bfloat16 converts every number on the way. By catalogue/measured.toml it then takes
four times as long for a frame as in float32, whereas float32 generates little more than half as fast, since it reads
twice as much: with few cores float32 is faster overall, with many bfloat16.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

from framelens.models.architecture import FRAME, Part, Shape, image_tokens
from framelens.models.catalogue import built_in
from framelens.models.formats import stored
from framelens.models.memory import estimate_memory
from framelens.models.serving_plan import Plan, number_bytes, parse_plan

_FRAMES_PER_REQUEST = 8  # frames per request in the runs of catalogue/measured.toml
_TOKENS_PER_FRAME = 52
"""Answer tokens per frame: the usual count of an analysis in chunks of eight frames."""
_TOWER: tuple[Part, ...] = ("vision", "merger")
_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_USABLE_SHARE = 0.9
"""Usable share of all memory; the rest is for the system, the application and the video."""


@dataclass(frozen=True)
class ComputeWork:
    """The cost of a model's computation.

    Attributes:
        tower: Operations in the vision tower for one frame.
        layers: Operations in the layers for one frame.
        token_bytes: Bytes read for one token of an answer.
        is_packed: Whether the layers are stored in fewer bits than they are computed in.
        is_wide: Whether they are computed in 32 bits.
    """

    tower: float
    layers: float
    token_bytes: float
    is_packed: bool = False
    is_wide: bool = False


@dataclass(frozen=True)
class SpeedEstimate:
    """Seconds to process one frame, and the speed of a single answer."""

    frame_seconds: float
    tokens_per_second: float

    @property
    def each_seconds(self) -> float:
        """Return what a frame costs an analysis in seconds: processing it and generating its share of the answer."""
        return self.frame_seconds + _TOKENS_PER_FRAME / self.tokens_per_second


@dataclass(frozen=True)
class ProcessorRates:
    """Operations and bytes per second, each for weights of 16 bits, for packed layers and for weights of 32 bits."""

    computes: float = 1.0
    reads: float = 1.0
    computes_packed: float = 1.0
    reads_packed: float = 1.0
    computes_wide: float = 1.0
    reads_wide: float = 1.0

    def pace(self, work: ComputeWork) -> SpeedEstimate:
        """Return how long this work takes."""
        if work.is_wide:
            return SpeedEstimate((work.tower + work.layers) / self.computes_wide, self.reads_wide / work.token_bytes)
        computes = self.computes_packed if work.is_packed else self.computes
        reads = self.reads_packed if work.is_packed else self.reads
        return SpeedEstimate(work.tower / self.computes + work.layers / computes, reads / work.token_bytes)

    def times(self, computes: float, reads: float) -> ProcessorRates:
        """Return the rates of a machine that is so many times as fast.

        A token from packed layers is limited by computing rather than by reading.
        """
        return ProcessorRates(
            self.computes * computes, self.reads * reads,
            self.computes_packed * computes, self.reads_packed * computes,
            self.computes_wide * computes, self.reads_wide * reads,
        )  # fmt: skip


@dataclass(frozen=True)
class MeasuredRun:
    """A measurement: this work was done at that speed."""

    work: ComputeWork
    pace: SpeedEstimate


def estimate_work(shape: Shape, plan: Plan, frame_tokens: float | None = None) -> ComputeWork:
    """Return the work of a model served by `plan`.

    Args:
        shape: The model.
        plan: Its settings.
        frame_tokens: Tokens of a frame with its mark, where they were counted; estimated otherwise.
    """
    vision, beside = shape.vision, shape.count("embedding", "lm_head", *_TOWER)
    layers, head = shape.active_parameters - beside, shape.count("lm_head") or shape.count("embedding")
    packing, plain = stored(shape, plan.format), number_bytes(shape, plan)
    cost = image_tokens(vision, *FRAME, together=_FRAMES_PER_REQUEST) if vision else 0
    patches = cost * vision.patches_per_token if vision else 0
    return ComputeWork(
        tower=2.0 * shape.count(*_TOWER) * patches,
        layers=2.0 * layers * ((frame_tokens or cost) if vision else 0),
        token_bytes=layers * (packing.bits_per_weight / 8 if packing else plain) + head * plain,
        is_packed=packing is not None,
        is_wide=packing is None and plain == 4,
    )


def parse_run(shape: Shape, trial: Mapping[str, Any]) -> MeasuredRun | None:
    """Read the run of a stored benchmark, or return None if a figure is missing or its frames had another size."""
    try:
        seen = next((one for one in trial["frames"] if (one["width"], one["height"]) == FRAME), None)
        pace = SpeedEstimate(float(seen["each_seconds"]) if seen else 0.0, float(trial["tokens_per_second"]))
        tokens = float(seen["tokens"]) if seen else None
        plan = parse_plan(trial["arguments"], device="cpu")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if pace.tokens_per_second <= 0 or (shape.vision and pace.frame_seconds <= 0):
        return None
    return MeasuredRun(estimate_work(shape, plan, tokens), pace)


def fit_rates(runs: Iterable[MeasuredRun], usual: ProcessorRates) -> ProcessorRates:
    """Return the rates that fit these runs.

    Each is the median over the runs that measure it; a rate that none measures keeps its proportion to the others in
    `usual`.
    """
    known = tuple(runs)
    packed = [run for run in known if run.work.is_packed]
    wide = [run for run in known if run.work.is_wide]
    plain = [run for run in known if not run.work.is_packed and not run.work.is_wide]
    computes, computes_wide = (_median(map(_compute_rate, filter(_has_vision, kind))) for kind in (plain, wide))
    reads, reads_wide, reads_packed = (_median(map(_read_rate, kind)) for kind in (plain, wide, packed))
    speed = usual.times(
        _first_known(_ratio(computes, usual.computes), _ratio(computes_wide, usual.computes_wide), 1.0),
        _first_known(_ratio(reads, usual.reads), _ratio(reads_wide, usual.reads_wide), 1.0),
    )
    unpacking = _median(_unpack_rate(run, speed.computes) for run in filter(_has_vision, packed))
    return replace(
        speed,
        computes_packed=_first_known(unpacking, speed.computes_packed),
        reads_packed=_first_known(reads_packed, speed.reads_packed),
        computes_wide=_first_known(computes_wide, speed.computes_wide),
        reads_wide=_first_known(reads_wide, speed.reads_wide),
    )


def _has_vision(run: MeasuredRun) -> bool:
    return run.work.tower > 0


def _compute_rate(run: MeasuredRun) -> float:
    return (run.work.tower + run.work.layers) / run.pace.frame_seconds


def _read_rate(run: MeasuredRun) -> float:
    return run.work.token_bytes * run.pace.tokens_per_second


def _unpack_rate(run: MeasuredRun, computes: float) -> float:
    """Return the operations per second in packed layers, in the time that the tower leaves (at least a tenth)."""
    left = run.pace.frame_seconds - run.work.tower / computes
    return run.work.layers / max(left, run.pace.frame_seconds / 10)


def _median(rates: Iterable[float]) -> float | None:
    found = list(rates)
    return median(found) if found else None


def _ratio(rate: float | None, usual: float) -> float | None:
    return None if rate is None else rate / usual


def _first_known(*rates: float | None) -> float:
    return next(rate for rate in rates if rate is not None)


@cache
def reference(cores: int | None = None, *, bfloat16: bool = True) -> ProcessorRates:
    """Return the rates of the machine of the catalogue's measurements, scaled to a number of cores.

    Computing grows with the cores; the memory rate is kept, since one core alone uses much of the bandwidth.

    Args:
        cores: Number of cores; None for those of the measured machine.
        bfloat16: Whether the processor has instructions for bfloat16.
    """
    text = (files("framelens.models") / "catalogue" / "measured.toml").read_text(encoding="utf-8")
    entries, usual = built_in().by_id, ProcessorRates()
    for machine in tomllib.loads(text)["machines"]:  # rates not measured on the second are the first's
        runs = [parse_run(entries[one["model"]].shape, one) for one in machine["runs"]]
        usual = fit_rates([run for run in runs if run], usual)
        if machine["bfloat16"] is bfloat16:
            break
    return usual.times((cores or machine["cores"]) / machine["cores"], 1.0)


def has_bfloat16(flags: Set[str]) -> bool:
    """Return whether a processor with these flags of /proc/cpuinfo has bfloat16 instructions; True if none is known."""
    return not flags or not _INSTRUCTIONS.isdisjoint(flags)


def estimate_rates(flags: Set[str], cores: int | None = None) -> ProcessorRates:
    """Estimate a processor's rates from its flags and its number of cores."""
    return reference(cores, bfloat16=has_bfloat16(flags))


def estimate_speeds(
    shape: Shape, arguments: Mapping[str, Any], speed: ProcessorRates
) -> tuple[SpeedEstimate, SpeedEstimate]:
    """Return the speed in bfloat16 and in float32."""
    narrow, wide = (parse_plan({**arguments, "dtype": dtype}, device="cpu") for dtype in ("bfloat16", "float32"))
    return speed.pace(estimate_work(shape, narrow)), speed.pace(estimate_work(shape, wide))


def float32_bytes(shape: Shape, arguments: Mapping[str, Any], cache_bytes: int) -> int:
    """Return the bytes that the model needs in float32 on a CPU, with a cache of `cache_bytes`."""
    needed = estimate_memory(shape, parse_plan({**arguments, "dtype": "float32"}, device="cpu"))
    return needed.card_bytes - needed.bytes_of("cache") + cache_bytes


def is_better_wide(shape: Shape | None, arguments: Mapping[str, Any], speed: ProcessorRates) -> bool:
    """Return whether a frame with its share of the answer is faster in float32.

    False for a quantised model, whose kernels compute in 16 bits only, and for one whose shape is unknown.
    """
    if shape is None or shape.quantisation is not None:
        return False
    narrow, wide = estimate_speeds(shape, arguments, speed)
    return wide.each_seconds < narrow.each_seconds


def fits_wide(shape: Shape, arguments: Mapping[str, Any], memory_bytes: int, cache_bytes: int) -> bool:
    """Return whether the model in float32 fits in the usable share of `memory_bytes`, with a cache of `cache_bytes`."""
    return float32_bytes(shape, arguments, cache_bytes) <= memory_bytes * _USABLE_SHARE
