"""Current processor, memory and GPU use of this machine, and the processes of FrameLens on it."""

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar, get_args

import psutil

from framelens.engine.hardware import free_memory_bytes, memory_bytes
from framelens.engine.local.child_process import GUARD

ProcessRole = Literal["app", "decoders", "engines"]
PROCESS_ROLES: tuple[ProcessRole, ...] = get_args(ProcessRole)
VLLM_SHARE = 0.92
"""Share of a card's memory that vLLM takes unless the user sets another."""
_DECODER = "framelens.video.worker"
_VLLM = "vllm.entrypoints.openai.api_server"
_ALL_CARDS = ",".join(map(str, range(64)))
_FIRST_SECONDS = 0.1  # measured for so long at the first reading, which has no previous reading
GpuAbsence = Literal["no_card", "no_driver", "no_access", "driver_mismatch", "unreadable"]
"""No NVIDIA GPU; a GPU without a driver; a driver that this container has no access to; a driver that was replaced
while loaded; any other NVML error.
"""
log = logging.getLogger(__name__)
T = TypeVar("T")
_NVIDIA = "0x10de"
_DISPLAYS = "0x03"  # prefix of the PCI classes of graphics cards


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
    found = dict.fromkeys(PROCESS_ROLES, 0)
    for part, process in _family(psutil.Process(), "app"):
        try:
            found[part] += process.memory_info().rss
        except psutil.Error:  # the process has ended
            continue
    return found


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


@dataclass(frozen=True)
class RunningEngine:
    """A vLLM that FrameLens runs for any data folder of this machine, if its command line can be read.

    Attributes:
        pid: Process id of its supervisor.
        started: Time of its start in seconds since the epoch.
        share: Share of each card's memory that it takes.
        cards: Numbers of its cards; empty if unknown.
    """

    model: str
    pid: int
    started: float
    share: float
    cards: tuple[int, ...]


def running_engines() -> tuple[RunningEngine, ...]:
    """List the local vLLM engines, also those that are still starting."""
    return tuple(filter(None, map(_engine_of, psutil.process_iter())))


def _engine_of(process: psutil.Process) -> RunningEngine | None:
    try:
        command = process.cmdline()
        if _VLLM not in command or not any(Path(word).name == GUARD.name for word in command[:4]):
            return None
        model = command[command.index("--served-model-name") + 1]
        share = float(_option(command, "--gpu-memory-utilization", VLLM_SHARE))
        sizes = (_option(command, f"--{name}-parallel-size", 1) for name in ("tensor", "pipeline"))
        cards = visible_cards(process.environ())[: math.prod(map(int, sizes))]
        return RunningEngine(model, process.pid, process.create_time(), share, cards)
    except (psutil.Error, ValueError, IndexError):  # it has ended, or belongs to another user
        return None


def _option(command: Sequence[str], name: str, default: float) -> str:
    return next((word.partition("=")[2] for word in command if word.startswith(f"{name}=")), str(default))


def visible_cards(environment: Mapping[str, str]) -> tuple[int, ...]:
    """Return the numbers of the cards that CUDA shows to a process, in its order; empty if they are named otherwise."""
    numbers = environment.get("CUDA_VISIBLE_DEVICES", _ALL_CARDS).split(",")
    return tuple(map(int, numbers)) if all(number.strip().isdecimal() for number in numbers) else ()


@dataclass(frozen=True)
class GpuSample:
    """A GPU. Shares are 0 … 1, memory is in bytes, temperature in °C, power in watts."""

    index: int
    name: str
    busy_share: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None
    celsius: int | None = None
    watts: float | None = None
    watts_limit: float | None = None


@dataclass(frozen=True)
class GpuSamples:
    """All GPUs, or the reason why no GPU can be read; `detail` is NVML's message."""

    cards: tuple[GpuSample, ...] = ()
    absence: GpuAbsence | None = None
    detail: str = ""


class GpuReader:
    """Reader of the GPUs' state.

    Args:
        nvml: The module pynvml, imported if None.
        root: Folder that holds /proc and /sys.
    """

    def __init__(self, nvml: ModuleType | None = None, *, root: Path = Path("/")) -> None:
        self._nvml = nvml
        self._root = root
        self._is_open = False

    def __call__(self) -> GpuSamples:
        """Return the current state of all GPUs. If NVML fails, the next call opens it again."""
        try:
            nvml = self._nvml = self._nvml or import_module("pynvml")
        except ImportError as error:  # an installation from before it was needed
            return GpuSamples(absence="unreadable", detail=str(error))
        try:
            if not self._is_open:
                nvml.nvmlInit()
                self._is_open = True
            cards = tuple(self._card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        except nvml.NVMLError as error:
            self.close()
            return GpuSamples(absence=self._absence(nvml, error), detail=str(error))
        return GpuSamples(cards) if cards else GpuSamples(absence="no_card")

    def close(self) -> None:
        """Release NVML; the next call opens it again."""
        nvml, was_open, self._is_open = self._nvml, self._is_open, False
        if nvml and was_open:
            _query(nvml, nvml.nvmlShutdown)

    @staticmethod
    def _card(nvml: ModuleType, index: int) -> GpuSample:
        handle = _query(nvml, lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            return GpuSample(index, "")
        memory = _query(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        busy = _query(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        milliwatts = _query(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = _query(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        return GpuSample(
            index,
            name=_query(nvml, lambda: str(nvml.nvmlDeviceGetName(handle))) or "",
            busy_share=busy.gpu / 100 if busy else None,
            memory_used_bytes=int(memory.used) if memory else None,
            memory_bytes=int(memory.total) if memory else None,
            celsius=_query(nvml, lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            watts=None if milliwatts is None else milliwatts / 1000,
            watts_limit=None if limit is None else limit / 1000,
        )

    def _absence(self, nvml: ModuleType, error: Exception) -> GpuAbsence:
        if isinstance(error, nvml.NVMLError_LibRmVersionMismatch):
            return "driver_mismatch"
        if isinstance(error, nvml.NVMLError_NoPermission):
            return "no_access"
        if not isinstance(error, (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded)):
            return "unreadable"
        # A container sees the host's driver in /proc even without access to the GPUs.
        if (self._root / "proc/driver/nvidia/version").exists():
            return "no_access"
        return "no_driver" if self._is_on_bus() else "no_card"

    def _is_on_bus(self) -> bool:
        devices = (self._root / "sys/bus/pci/devices").glob("*")
        return any(
            _text(device / "vendor") == _NVIDIA and _text(device / "class").startswith(_DISPLAYS) for device in devices
        )


def _query(nvml: ModuleType, call: Callable[[], T]) -> T | None:
    """Return the result of an NVML call, or None if the GPU doesn't support it."""
    try:
        return call()
    except nvml.NVMLError as error:
        log.debug("NVML: %s", error)
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
