"""A line of the table, and how large the parts are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """A trial and its outcome.

    Attributes:
        what: What was done, such as "SIGKILL to the app".
        count: How many times.
        lost: How often something stored was lost, done twice, or read by someone who must not.
        crashed: How often a program crashed, hung or ended without a sentence, where it must not.
        note: Figures, such as the slowest answer.
    """

    what: str
    count: int
    lost: int = 0
    crashed: int = 0
    note: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.lost or self.crashed)

    def __str__(self) -> str:
        return f"{self.what:<60} {self.count:>7} {self.lost:>6} {self.crashed:>8}  {self.note}".rstrip()


HEAD = f"{'what':<60} {'count':>7} {'lost':>6} {'crashed':>8}"


@dataclass(frozen=True)
class Scale:
    """How much of the full size is run, where, and what the random choices start from.

    Clips are cut from the real videos in `footage`; without it, cards are drawn.
    """

    share: float
    work: Path
    seed: int = 0
    footage: Path | None = None

    def count(self, full: int) -> int:
        """Return the share of a number, at least 1."""
        return max(1, round(full * self.share))

    def folder(self, name: str) -> Path:
        """Make a folder to work in."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path
