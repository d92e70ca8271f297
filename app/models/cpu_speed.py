"""How long a model takes on a CPU for a frame and for a word: estimated from its shape, and from what was measured.

A frame is computed: the tower's numbers meet each of its patches and the layers' each of its tokens, two operations
each time. A word is read: every weight that it meets comes from memory once. So a machine has two rates, two of their
own for layers in 4 bits, which are unpacked on the way, and two for numbers of 32 bits. Attention is left out: at the
size of the frames that a CPU is sent it is less than a tenth. The reference rates come from the runs in
catalogue/measured.toml, of a machine with instructions for bfloat16 and of one without.

A processor without instructions for bfloat16 converts every number on the way. By catalogue/measured.toml it then looks
at a frame four times as long as in float32, where it writes little more than half as fast, since it reads twice as
much: with few cores float32 is sooner done, with many bfloat16.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

from app.models.architecture import Part, Shape
from app.models.catalogue import built_in
from app.models.formats import stored
from app.models.memory import memory_of
from app.models.serving_plan import Plan, number_bytes, plan_of
from app.models.vision_tokens import image_tokens

FRAME = (448, 252)
"""A frame as it is sent on a CPU, in pixels."""
_TOGETHER = 8
_WORDS = 52
"""Tokens of an answer for each frame: what an analysis takes as usual in parts of eight frames."""
_TOWER: tuple[Part, ...] = ("vision", "merger")
_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_SHARE = 0.9
"""Of all memory: the rest is for the system, the application and the video."""


@dataclass(frozen=True)
class Work:
    """Operations for one frame in the tower and in the layers, and bytes that are read for one token of an answer.
    `is_packed`: the layers are stored in fewer bits than they are computed in. `is_wide`: they are computed in 32 bits.
    """

    tower: float
    layers: float
    token_bytes: float
    is_packed: bool = False
    is_wide: bool = False


@dataclass(frozen=True)
class Pace:
    """What one frame takes to be looked at, and how fast an answer grows that is alone."""

    frame_seconds: float
    tokens_per_second: float

    @property
    def each_seconds(self) -> float:
        """What a frame costs an analysis: looked at, and its share of the answer written."""
        return self.frame_seconds + _WORDS / self.tokens_per_second


@dataclass(frozen=True)
class Speed:
    """Operations and bytes a second, each for weights of 16 bits, for packed layers and for weights of 32 bits."""

    computes: float = 1.0
    reads: float = 1.0
    computes_packed: float = 1.0
    reads_packed: float = 1.0
    computes_wide: float = 1.0
    reads_wide: float = 1.0

    def pace(self, work: Work) -> Pace:
        """How long this work takes."""
        if work.is_wide:
            return Pace((work.tower + work.layers) / self.computes_wide, self.reads_wide / work.token_bytes)
        computes = self.computes_packed if work.is_packed else self.computes
        reads = self.reads_packed if work.is_packed else self.reads
        return Pace(work.tower / self.computes + work.layers / computes, reads / work.token_bytes)

    def times(self, computes: float, reads: float) -> Speed:
        """A machine so many times as fast; a word from packed layers is computed rather than read."""
        return Speed(
            self.computes * computes, self.reads * reads,
            self.computes_packed * computes, self.reads_packed * computes,
            self.computes_wide * computes, self.reads_wide * reads,
        )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """This work was done at that pace."""

    work: Work
    pace: Pace


def work_of(shape: Shape, plan: Plan, frame_tokens: float | None = None) -> Work:
    """What `shape` served by `plan` does; `frame_tokens`: of a frame with its mark, where they were counted."""
    vision, beside = shape.vision, shape.count("embedding", "lm_head", *_TOWER)
    layers, head = shape.active_parameters - beside, shape.count("lm_head") or shape.count("embedding")
    packing, plain = stored(shape, plan.format), number_bytes(shape, plan)
    cost = image_tokens(vision, *FRAME, together=_TOGETHER) if vision else 0
    patches = cost * vision.patches_per_token if vision else 0
    return Work(
        tower=2.0 * shape.count(*_TOWER) * patches,
        layers=2.0 * layers * ((frame_tokens or cost) if vision else 0),
        token_bytes=layers * (packing.bits_per_weight / 8 if packing else plain) + head * plain,
        is_packed=packing is not None,
        is_wide=packing is None and plain == 4,
    )


def run_of(shape: Shape, trial: Mapping[str, Any]) -> Run | None:
    """The run that a kept trial tells of; None where it lacks a figure, or was of other frames."""
    try:
        seen = next((one for one in trial["frames"] if (one["width"], one["height"]) == FRAME), None)
        pace = Pace(float(seen["each_seconds"]) if seen else 0.0, float(trial["tokens_per_second"]))
        tokens = float(seen["tokens"]) if seen else None
        plan = plan_of(trial["arguments"], device="cpu")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if pace.tokens_per_second <= 0 or (shape.vision and pace.frame_seconds <= 0):
        return None
    return Run(work_of(shape, plan, tokens), pace)


def speed_of(runs: Iterable[Run], usual: Speed) -> Speed:
    """The rates that fit these runs, each the median over those that tell it; a rate that none tells keeps its
    proportion to the others in `usual`.
    """
    known = tuple(runs)
    packed = [run for run in known if run.work.is_packed]
    wide = [run for run in known if run.work.is_wide]
    plain = [run for run in known if not run.work.is_packed and not run.work.is_wide]
    computes, computes_wide = (_median(map(_computing, filter(_sees, kind))) for kind in (plain, wide))
    reads, reads_wide, reads_packed = (_median(map(_reading, kind)) for kind in (plain, wide, packed))
    speed = usual.times(
        _first(_over(computes, usual.computes), _over(computes_wide, usual.computes_wide), 1.0),
        _first(_over(reads, usual.reads), _over(reads_wide, usual.reads_wide), 1.0),
    )
    unpacking = _median(_unpacking(run, speed.computes) for run in filter(_sees, packed))
    return replace(
        speed,
        computes_packed=_first(unpacking, speed.computes_packed),
        reads_packed=_first(reads_packed, speed.reads_packed),
        computes_wide=_first(computes_wide, speed.computes_wide),
        reads_wide=_first(reads_wide, speed.reads_wide),
    )


def _sees(run: Run) -> bool:
    return run.work.tower > 0


def _computing(run: Run) -> float:
    return (run.work.tower + run.work.layers) / run.pace.frame_seconds


def _reading(run: Run) -> float:
    return run.work.token_bytes * run.pace.tokens_per_second


def _unpacking(run: Run, computes: float) -> float:
    """Operations a second in the packed layers: of the time that the tower leaves, a tenth of the whole at least."""
    left = run.pace.frame_seconds - run.work.tower / computes
    return run.work.layers / max(left, run.pace.frame_seconds / 10)


def _median(rates: Iterable[float]) -> float | None:
    found = list(rates)
    return median(found) if found else None


def _over(rate: float | None, usual: float) -> float | None:
    return None if rate is None else rate / usual


def _first(*rates: float | None) -> float:
    return next(rate for rate in rates if rate is not None)


@cache
def reference(cores: int | None = None, *, bfloat16: bool = True) -> Speed:
    """The machine on which the runs of the catalogue were measured, or one like it with so many cores: computing
    grows with them; how fast memory is read is taken to stay, since one core alone takes much of what there is.
    `bfloat16`: whether it has instructions for that.
    """
    text = (files("app.models") / "catalogue" / "measured.toml").read_text(encoding="utf-8")
    entries, usual = built_in().by_id, Speed()
    for machine in tomllib.loads(text)["machines"]:  # what was not measured on the second is as on the first
        runs = [run_of(entries[one["model"]].shape, one) for one in machine["runs"]]
        usual = speed_of([run for run in runs if run], usual)
        if machine["bfloat16"] is bfloat16:
            break
    return usual.times((cores or machine["cores"]) / machine["cores"], 1.0)


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
