"""Current use of processors and memory of this machine, and of the parts of FrameLens on it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import psutil

from framelens.plugin.machine import free_memory_bytes, memory_bytes
from framelens.plugin.processes import GUARD

ProcessRole = Literal["app", "decoders", "engines"]
PROCESS_ROLES: tuple[ProcessRole, ...] = get_args(ProcessRole)
_DECODER = "framelens.video.worker"
_FIRST_SECONDS = 0.1  # measured for so long at the first reading, which has no previous reading


@dataclass(frozen=True)
class SystemSample:
    """Use of the machine's processors and memory.

    Attributes:
        cpu_share: Utilisation of all processors together since the last reading, 0 … 1.
        processors: Number of logical processors.
        memory_used_bytes: Memory that is not available to a new process.
        memory_bytes: Total memory, within a container's limit.
        parts: Resident bytes of each part of FrameLens.
    """

    cpu_share: float
    processors: int
    memory_used_bytes: int
    memory_bytes: int
    parts: dict[ProcessRole, int] = field(default_factory=dict)


class SystemMetricsReader:
    """Reader of the machine's state, for use from one thread."""

    def __init__(self) -> None:
        self._is_first = True

    def __call__(self) -> SystemSample:
        """Return the machine's current state."""
        share = psutil.cpu_percent(_FIRST_SECONDS if self._is_first else None) / 100
        self._is_first = False
        total = memory_bytes()
        return SystemSample(share, os.cpu_count() or 1, max(0, total - free_memory_bytes()), total, own_memory())


def own_memory() -> dict[ProcessRole, int]:
    """Return the resident bytes of each part of FrameLens."""
    resident = dict.fromkeys(PROCESS_ROLES, 0)
    for part, process in _family(psutil.Process(), "app"):
        try:
            resident[part] += process.memory_info().rss
        except psutil.Error:  # the process has ended
            continue
    return resident


def _family(root: psutil.Process, part: ProcessRole) -> Iterator[tuple[ProcessRole, psutil.Process]]:
    """Yield a process and its descendants, each with the part that it belongs to."""
    children: dict[int, list[psutil.Process]] = {}
    for process in root.children(recursive=True):
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
    pending: list[tuple[ProcessRole, psutil.Process]] = [(part, root)]
    while pending:
        part, process = pending.pop()
        yield part, process
        pending += [(_role_of(child, part), child) for child in children.get(process.pid, [])]


def _role_of(process: psutil.Process, parent: ProcessRole) -> ProcessRole:
    """Return the part that a process belongs to, by its command line or else its parent's part."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return parent
    if str(GUARD) in command:
        return "engines"
    return "decoders" if _DECODER in command else parent
