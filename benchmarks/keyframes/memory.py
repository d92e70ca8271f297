"""The largest resident memory of the processes that decode: ten minutes of video against sixty.

What counts is the sum of the high-water marks of everything that the work started; the process that asks for it (the
app, or this benchmark) is left out. Linux only: it reads /proc.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import OURS, Tool

_POLL_SECONDS = 0.02


def memory_table(short: Path, long: Path, tools: Sequence[Tool]) -> Iterator[str]:
    """Megabytes for ten minutes of video, and ours for sixty too."""
    yield from markdown(
        ["tool", "10 minutes, MB", "60 minutes, MB", "ratio"],
        (_row(tool.name, tool.work, short, long) for tool in tools if tool.work),
    )


def _row(name: str, work: Callable[[Path], object], short: Path, long: Path) -> list[str]:
    print(f"memory: {name}", file=sys.stderr, flush=True)
    small = peak_megabytes(lambda: work(short))
    if name != OURS:
        return [name, f"{small:.0f}", "", ""]
    large = peak_megabytes(lambda: work(long))
    return [name, f"{small:.0f}", f"{large:.0f}", f"{large / small:.2f}"]


def peak_megabytes(work: Callable[[], object]) -> float:
    """Return the sum of the peaks of all processes that `work` starts; earlier processes don't count."""
    marks: dict[int, int] = {}
    before = set(psutil.Process().children(recursive=True))
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_SECONDS):
            for child in set(psutil.Process().children(recursive=True)) - before:
                if mark := _high_water_bytes(child.pid):
                    marks[child.pid] = mark

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ended.set()
        watcher.join()
    return sum(marks.values()) / 1e6


def _high_water_bytes(pid: int) -> int:
    """0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(next(found, 0))
