"""A measured line, and how two things are compared on a machine that others use too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """`value` against `bound`, the most that is accepted; None for a figure that is only reported."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.bound is not None and self.value > self.bound

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"  (at most {self.bound:g}: {'MISSED' if self.missed else 'kept'})"
        note = f"  {self.note}" if self.note else ""
        return f"{self.name:<58} {self.value:8.3f} {self.unit}{bound}{note}"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paired(one: Callable[[], object], other: Callable[[], object], *, rounds: int) -> tuple[float, float, float]:
    """Return (median seconds of `one`, of `other`, median ratio) over rounds in which each runs next to the other."""
    pairs = [(seconds(one), seconds(other)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)
