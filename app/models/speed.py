"""How long a model takes on a CPU for a frame and for a word: estimated from its shape, and from what was measured.

A frame is computed: the tower's numbers meet each of its patches and the layers' each of its tokens, two operations
each time. A word is read: every weight that it meets comes from memory once. So a machine has two rates, and two of
their own for layers in 4 bits, which are unpacked on the way. Attention is left out: at the size of the frames that a
CPU is sent it is less than a tenth. The reference rates come from the runs in catalogue/measured.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

from app.models.catalogue import built_in
from app.models.formats import stored
from app.models.picture_cost import image_tokens
from app.models.plan import Plan, number_bytes, plan_of
from app.models.shape import Part, Shape

FRAME = (448, 252)
"""A frame as it is sent on a CPU, in pixels."""
_TOGETHER = 8
_WORDS = 52
"""Tokens of an answer for each frame: what an analysis takes as usual in parts of eight frames."""
_TOWER: tuple[Part, ...] = ("vision", "merger")


@dataclass(frozen=True)
class Work:
    """Operations for one frame in the tower and in the layers, and bytes that are read for one token of an answer.
    `is_packed`: the layers are stored in fewer bits than they are computed in.
    """

    tower: float
    layers: float
    token_bytes: float
    is_packed: bool


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
    """Operations and bytes a second, each for weights of 16 bits and for packed layers."""

    computes: float = 1.0
    reads: float = 1.0
    computes_packed: float = 1.0
    reads_packed: float = 1.0

    def pace(self, work: Work) -> Pace:
        """How long this work takes."""
        computes = self.computes_packed if work.is_packed else self.computes
        reads = self.reads_packed if work.is_packed else self.reads
        return Pace(work.tower / self.computes + work.layers / computes, reads / work.token_bytes)

    def times(self, computes: float, reads: float) -> Speed:
        """A machine so many times as fast; a word from packed layers is computed rather than read."""
        return Speed(self.computes * computes, self.reads * reads,
                     self.computes_packed * computes, self.reads_packed * computes)  # fmt: skip


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
    plain, packed = ([run for run in known if run.work.is_packed is kind] for kind in (False, True))
    seeing = [run for run in plain if run.work.tower]
    computes = _median(((run.work.tower + run.work.layers) / run.pace.frame_seconds for run in seeing), usual.computes)
    reads = _median((run.work.token_bytes * run.pace.tokens_per_second for run in plain), usual.reads)
    speed = usual.times(computes / usual.computes, reads / usual.reads)
    return replace(
        speed,
        computes_packed=_median((_unpacking(run, computes) for run in packed if run.work.tower), speed.computes_packed),
        reads_packed=_median((run.work.token_bytes * run.pace.tokens_per_second for run in packed), speed.reads_packed),
    )


def _unpacking(run: Run, computes: float) -> float:
    """Operations a second in the packed layers: of the time that the tower leaves, a tenth of the whole at least."""
    left = run.pace.frame_seconds - run.work.tower / computes
    return run.work.layers / max(left, run.pace.frame_seconds / 10)


def _median(rates: Iterable[float], otherwise: float) -> float:
    found = list(rates)
    return median(found) if found else otherwise


@cache
def reference(cores: int | None = None) -> Speed:
    """The machine on which the runs of the catalogue were measured, or one like it with so many cores: computing
    grows with them; how fast memory is read is taken to stay, since one core alone takes much of what there is.
    """
    text = (files("app.models") / "catalogue" / "measured.toml").read_text(encoding="utf-8")
    measured, entries = tomllib.loads(text), built_in().by_id
    runs = [run_of(entries[one["model"]].shape, one) for one in measured["runs"]]
    speed = speed_of([run for run in runs if run], Speed())
    return speed.times((cores or measured["cores"]) / measured["cores"], 1.0)
