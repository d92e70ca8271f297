"""Frames of a report as a reader edits them: some removed, some moments added, each step undoable.

The report itself never changes; the result is the times of the frames for a new request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["remove", "add"]
_EARLY_SECONDS = 0.001
"""A player may show a frame slightly before the time that the decoder gives it. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class Edits:
    """The edits of one report's frames.

    Attributes:
        job_id: The job whose frames they are.
        chosen: Times of the report's frames in seconds.
        frame_seconds: Duration of one frame.
        steps: The operations so far, oldest first.
        seen: Number of the browser's operations applied so far, so that one sent twice counts once.
    """

    job_id: str
    chosen: tuple[float, ...]
    frame_seconds: float
    steps: tuple[tuple[Kind, float], ...] = ()
    seen: int = 0

    @property
    def times(self) -> tuple[float, ...]:
        """Return the times of the frames after all steps, ascending, in seconds."""
        times = set(self.chosen)
        for kind, seconds in self.steps:
            times = times - {seconds} if kind == "remove" else times | {seconds}
        return tuple(sorted(times))

    @property
    def removed(self) -> frozenset[float]:
        """Return the times of the report's frames that were removed."""
        return frozenset(self.chosen) - frozenset(self.times)

    @property
    def added(self) -> tuple[float, ...]:
        """Return the times that were added, ascending."""
        return tuple(seconds for seconds in self.times if seconds not in self.chosen)

    @property
    def num_changes(self) -> int:
        """Return how many frames differ from the report's."""
        return len(self.removed) + len(self.added)

    def after(self, first: int, operations: Sequence[object]) -> Edits:
        """Apply the browser's operations that were not applied yet.

        Args:
            first: The number of the first operation.
            operations: ["remove", seconds], ["add", seconds] or ["undo"]; anything else is ignored.

        Returns:
            The new state; this one is unchanged.
        """
        edits = self
        for operation in operations[max(0, self.seen - first) :]:
            edits = replace(edits._apply(operation), seen=edits.seen + 1)
        return edits

    def _apply(self, operation: object) -> Edits:
        match operation:
            case ["undo"]:
                return replace(self, steps=self.steps[:-1])
            case ["remove", int() | float() as seconds] if seconds in self.times:
                return replace(self, steps=(*self.steps, ("remove", float(seconds))))
            case ["add", int() | float() as seconds] if math.isfinite(seconds) and seconds >= 0:
                return self._add(float(seconds))
            case _:
                return self

    def _add(self, seconds: float) -> Edits:
        """Add the frame shown at `seconds`: a known frame where one is shown then, which restores a removed one."""
        for known in (*self.chosen, *self.added):
            if -_EARLY_SECONDS <= seconds - known < self.frame_seconds - _EARLY_SECONDS:
                seconds = known
        return self if seconds in self.times else replace(self, steps=(*self.steps, ("add", seconds)))
