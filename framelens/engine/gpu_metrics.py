"""Current state of this machine's GPUs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar

GpuAbsence = Literal["no_card", "no_driver", "no_access", "driver_mismatch", "unreadable"]
"""No NVIDIA GPU; a GPU without a driver; a driver that this container has no access to; a driver that was replaced
while loaded; any other NVML error.
"""
log = logging.getLogger(__name__)
T = TypeVar("T")
_NVIDIA = "0x10de"
_DISPLAYS = "0x03"  # prefix of the PCI classes of graphics cards


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
