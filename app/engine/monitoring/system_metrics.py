"""The processor and the memory of this machine right now, and how much of the memory is FrameLens's own.

Our processes are told apart by what they were started as: engines with all they start, decoders, and the app itself.
Their memory is what `top` shows as resident; pages that processes share count in each of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import psutil

from app.engine.child_process import GUARD
from app.engine.hardware import free_memory_bytes, memory_bytes

Part = Literal["app", "decoders", "engines"]
PARTS: tuple[Part, ...] = get_args(Part)
_DECODER = "app.video.child"
_FIRST_SECONDS = 0.1  # the first reading has none before it to compare with


@dataclass(frozen=True)
class Machine:
    """cpu_share: of all processors together, 0 … 1 since the last reading. Memory in bytes; what is used cannot be had
    by a new process, and in a container its limit counts. `parts`: of each part of FrameLens.
    """

    cpu_share: float
    processors: int
    memory_used_bytes: int
    memory_bytes: int
    parts: dict[Part, int] = field(default_factory=dict)


class MachineReader:
    """Reads the machine again and again, from one thread."""

    def __init__(self) -> None:
        self._is_first = True

    def __call__(self) -> Machine:
        """The machine right now."""
        share = psutil.cpu_percent(_FIRST_SECONDS if self._is_first else None) / 100
        self._is_first = False
        total = memory_bytes()
        return Machine(share, os.cpu_count() or 1, max(0, total - free_memory_bytes()), total, own_memory())


def own_memory() -> dict[Part, int]:
    """Resident bytes of each part of FrameLens."""
    found = dict.fromkeys(PARTS, 0)
    for part, process in _family(psutil.Process(), "app"):
        try:
            found[part] += process.memory_info().rss
        except psutil.Error:  # it has ended meanwhile
            continue
    return found


def _family(root: psutil.Process, part: Part) -> Iterator[tuple[Part, psutil.Process]]:
    """A process and all below it, each with the part that it belongs to."""
    children: dict[int, list[psutil.Process]] = {}
    for process in root.children(recursive=True):
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
    open_ones: list[tuple[Part, psutil.Process]] = [(part, root)]
    while open_ones:
        part, process = open_ones.pop()
        yield part, process
        open_ones += [(_part_of(child, part), child) for child in children.get(process.pid, [])]


def _part_of(process: psutil.Process, parent: Part) -> Part:
    """What a process is part of: what it was started as, or else what its parent is part of."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return parent
    if str(GUARD) in command:
        return "engines"
    return "decoders" if _DECODER in command else parent
