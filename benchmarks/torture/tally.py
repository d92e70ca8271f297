"""Count of findings after kills, and the kill itself: signal 9 to a process, and the list of its descendants."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.torture.line import Line

_ORPHAN_SECONDS = 20.0
"""A process that lives longer than this after its parent was killed is an orphan. The engine has eight seconds to end
(framelens/engine/local/child_process.py)."""


@dataclass
class Tally:
    """Findings after kills; see Line."""

    count: int = 0
    lost: int = 0
    crashed: int = 0
    again: int = 0
    said: int = 0
    resumed: int = 0
    slowest_seconds: float = 0.0

    def lose(self, what: str) -> None:
        """Count and print something that was lost, done twice or different."""
        self.lost += 1
        print(f"  lost after kill {self.count}: {what}", flush=True)

    def crash(self, what: str) -> None:
        """Count and print a program that crashed or hung, or a process that was left."""
        self.crashed += 1
        print(f"  crashed after kill {self.count}: {what}", flush=True)

    def gone(self, family: Sequence[psutil.Process]) -> None:
        """Wait until the descendants of a killed process have ended; processes that don't end are orphans."""
        began = time.monotonic()
        _, left = psutil.wait_procs(family, timeout=_ORPHAN_SECONDS)
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        for one in left:
            self.crash(f"orphan {words_of(one)[:200]}")
            with suppress(psutil.Error):
                one.kill()

    def line(self, what: str, note: str = "") -> Line:
        """Return the line of the table."""
        said = f"{self.said} reports say so" if self.said else ""
        resumed = f"{self.resumed} resumed when asked to" if self.resumed else ""
        slowest = f"the last process gone after {self.slowest_seconds:.1f} s"
        notes = (f"{self.again} begun again", resumed, said, slowest, note)
        return Line(what, self.count, self.lost, self.crashed, ", ".join(filter(None, notes)))


def kill(target: psutil.Process) -> list[psutil.Process]:
    """Kill a process by signal 9, and return its descendants. Raise psutil.NoSuchProcess if it has ended."""
    if target.status() == psutil.STATUS_ZOMBIE:
        raise psutil.NoSuchProcess(target.pid)
    target.suspend()  # so that it starts no process after its descendants are listed
    family = target.children(recursive=True)
    target.kill()
    return family


def words_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
