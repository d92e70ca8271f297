"""The NVIDIA cards of this machine as they are right now, through NVML: how busy, how full, how warm, at what power.

A value that a card keeps to itself is None (some tell no power, a split card no utilisation). Where there is no card to
be read, `absence` says why. NVML is held open between readings and let go with `close`: an open one keeps a card that
nobody uses from sleeping. Nothing here touches CUDA.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar

Absence = Literal["no_card", "no_driver", "no_access", "driver_mismatch", "unreadable"]
"""No NVIDIA card here; one without its driver; a driver that this container is not given; a driver that was replaced
while it ran; anything else, in NVML's own words.
"""

log = logging.getLogger(__name__)
T = TypeVar("T")
_NVIDIA = "0x10de"
_DISPLAYS = "0x03"  # how the PCI classes of graphics cards begin


@dataclass(frozen=True)
class Card:
    """One card. Shares are 0 … 1, memory in bytes, temperature in °C, power in watts."""

    index: int
    name: str
    busy_share: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None
    celsius: int | None = None
    watts: float | None = None
    watts_limit: float | None = None


@dataclass(frozen=True)
class Cards:
    """All cards, or why there are none to be read; `detail` is what NVML said."""

    cards: tuple[Card, ...] = ()
    absence: Absence | None = None
    detail: str = ""


class CardReader:
    """Reads the cards again and again. `nvml` is the module pynvml, `root` where /proc and /sys are."""

    def __init__(self, nvml: ModuleType | None = None, *, root: Path = Path("/")) -> None:
        self._nvml = nvml
        self._root = root
        self._is_open = False

    def __call__(self) -> Cards:
        """The cards right now. Where NVML fails as a whole, it is tried anew at the next call."""
        try:
            nvml = self._nvml = self._nvml or import_module("pynvml")
        except ImportError as error:  # an installation from before it was needed
            return Cards(absence="unreadable", detail=str(error))
        try:
            if not self._is_open:
                nvml.nvmlInit()
                self._is_open = True
            cards = tuple(self._card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        except nvml.NVMLError as error:
            self.close()
            return Cards(absence=self._why(nvml, error), detail=str(error))
        return Cards(cards) if cards else Cards(absence="no_card")

    def close(self) -> None:
        """Let NVML go; the next call opens it again."""
        nvml, was_open, self._is_open = self._nvml, self._is_open, False
        if nvml and was_open:
            _told(nvml, nvml.nvmlShutdown)

    @staticmethod
    def _card(nvml: ModuleType, index: int) -> Card:
        handle = _told(nvml, lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            return Card(index, "")
        memory = _told(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        busy = _told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        milliwatts = _told(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = _told(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        return Card(
            index,
            name=_told(nvml, lambda: str(nvml.nvmlDeviceGetName(handle))) or "",
            busy_share=busy.gpu / 100 if busy else None,
            memory_used_bytes=int(memory.used) if memory else None,
            memory_bytes=int(memory.total) if memory else None,
            celsius=_told(nvml, lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            watts=None if milliwatts is None else milliwatts / 1000,
            watts_limit=None if limit is None else limit / 1000,
        )

    def _why(self, nvml: ModuleType, error: Exception) -> Absence:
        if isinstance(error, nvml.NVMLError_LibRmVersionMismatch):
            return "driver_mismatch"
        if isinstance(error, nvml.NVMLError_NoPermission):
            return "no_access"
        if not isinstance(error, (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded)):
            return "unreadable"
        # A container sees the driver of its host in /proc, whether it is given the cards or not.
        if (self._root / "proc/driver/nvidia/version").exists():
            return "no_access"
        return "no_driver" if self._is_on_bus() else "no_card"

    def _is_on_bus(self) -> bool:
        devices = (self._root / "sys/bus/pci/devices").glob("*")
        return any(
            _text(device / "vendor") == _NVIDIA and _text(device / "class").startswith(_DISPLAYS) for device in devices
        )


def _told(nvml: ModuleType, ask: Callable[[], T]) -> T | None:
    """What the card tells; None where it does not."""
    try:
        return ask()
    except nvml.NVMLError as error:
        log.debug("NVML: %s", error)
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
