"""The frames of a report as a reader changes them by hand: some taken out, some moments added, each step undoable.

Nothing of the report changes; what comes of it is the times of the frames that are to be asked about instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["remove", "add"]
_EARLY_SECONDS = 0.001  # a player may show a frame a hair before the time that the decoder gives it


@dataclass(frozen=True)
class Edits:
    """`job_id`: whose frames they are. `chosen`: the seconds of the report's frames. `frame_seconds`: how long one is
    on show. `seen`: how many operations of the browser have been taken in, so that one sent twice counts once.
    """

    job_id: str
    chosen: tuple[float, ...]
    frame_seconds: float
    steps: tuple[tuple[Kind, float], ...] = ()
    seen: int = 0

    @property
    def times(self) -> tuple[float, ...]:
        """The seconds of the frames as they stand now, rising."""
        times = set(self.chosen)
        for kind, seconds in self.steps:
            times = times - {seconds} if kind == "remove" else times | {seconds}
        return tuple(sorted(times))

    @property
    def removed(self) -> frozenset[float]:
        return frozenset(self.chosen) - frozenset(self.times)

    @property
    def added(self) -> tuple[float, ...]:
        return tuple(seconds for seconds in self.times if seconds not in self.chosen)

    @property
    def num_changes(self) -> int:
        return len(self.removed) + len(self.added)

    def after(self, first: int, operations: Sequence[object]) -> Edits:
        """With the browser's operations, of which the first is its number `first`. What is none of ours is left out:
        ["remove", seconds], ["add", seconds], ["undo"].
        """
        edits = self
        for operation in operations[max(0, self.seen - first) :]:
            edits = replace(edits._with(operation), seen=edits.seen + 1)
        return edits

    def _with(self, operation: object) -> Edits:
        match operation:
            case ["undo"]:
                return replace(self, steps=self.steps[:-1])
            case ["remove", int() | float() as seconds] if seconds in self.times:
                return replace(self, steps=(*self.steps, ("remove", float(seconds))))
            case ["add", int() | float() as seconds] if math.isfinite(seconds) and seconds >= 0:
                return self._added(float(seconds))
            case _:
                return self

    def _added(self, seconds: float) -> Edits:
        """The frame on show at `seconds`: of those that are known the very one, put back where it was taken out."""
        for known in (*self.chosen, *self.added):
            if -_EARLY_SECONDS <= seconds - known < self.frame_seconds - _EARLY_SECONDS:
                seconds = known
        return self if seconds in self.times else replace(self, steps=(*self.steps, ("add", seconds)))
