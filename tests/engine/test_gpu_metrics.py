"""What the cards report, and the reason where there are no cards."""

from pathlib import Path
from typing import Any

import pynvml
import pytest

from framelens.engine.gpu_metrics import GpuAbsence, GpuReader, GpuSample
from tests.engine.fake_nvml import ANSWERS, FakeNvml

NOT_SUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_cards_are_read_and_missing_ones_named() -> None:
    # Gpu reports load memory temperature and power.
    (card,) = GpuReader(FakeNvml().as_module())().cards
    assert card == GpuSample(0, "NVIDIA GeForce RTX 4090", 0.87, 18 * 2**30, 24 * 2**30, 64, 312.4, 450.0)
    assert GpuReader(FakeNvml([]).as_module())().absence == "no_card"  # a driver without a single card is no card


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("nvmlDeviceGetName", {"name": ""}),
        ("nvmlDeviceGetMemoryInfo", {"memory_used_bytes": None, "memory_bytes": None}),
        ("nvmlDeviceGetUtilizationRates", {"busy_share": None}),
        ("nvmlDeviceGetTemperature", {"celsius": None}),
        ("nvmlDeviceGetPowerUsage", {"watts": None}),
        ("nvmlDeviceGetEnforcedPowerLimit", {"watts_limit": None}),
    ],
)
def test_one_value_that_a_card_refuses_costs_no_other(function: str, fields: dict[str, Any]) -> None:
    whole = GpuReader(FakeNvml().as_module())().cards[0]
    (card,) = GpuReader(FakeNvml([{**ANSWERS, function: NOT_SUPPORTED}]).as_module())().cards
    assert vars(card) == {**vars(whole), **fields}


def test_a_card_that_is_lost_is_beside_one_that_answers() -> None:
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    first, second = GpuReader(FakeNvml([{"handle": lost}, dict(ANSWERS)]).as_module())().cards
    assert first == GpuSample(0, "")
    assert second.index == 1 and second.celsius == 64


def machine(root: Path, *, has_card: bool = False, has_driver: bool = False) -> Path:
    device = root / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n" if has_card else "0x1002\n")
    (device / "class").write_text("0x030000\n")
    if has_driver:
        version = root / "proc/driver/nvidia/version"
        version.parent.mkdir(parents=True)
        version.write_text("NVRM version: NVIDIA UNIX\n")
    return root


@pytest.mark.parametrize(
    ("code", "has_card", "has_driver", "absence"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, False, "no_card"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, True, False, "no_driver"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, True, True, "no_access"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, False, True, "no_access"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, True, False, "no_driver"),
        (pynvml.NVML_ERROR_NO_PERMISSION, True, True, "no_access"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, True, True, "driver_mismatch"),
        (pynvml.NVML_ERROR_UNKNOWN, True, True, "unreadable"),
    ],
)
def test_it_is_said_why_there_are_no_cards(
    tmp_path: Path, code: int, has_card: bool, has_driver: bool, absence: GpuAbsence
) -> None:
    root = machine(tmp_path, has_card=has_card, has_driver=has_driver)
    found = GpuReader(FakeNvml(failure=pynvml.NVMLError(code)).as_module(), root=root)()
    assert found.cards == () and found.absence == absence and found.detail


def test_what_failed_is_tried_anew_and_let_go_when_nobody_looks() -> None:
    nvml = FakeNvml(failure=pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN))
    read = GpuReader(nvml.as_module())
    assert read().absence == "unreadable"
    nvml.failure = None
    assert read().cards and read().cards
    read.close()
    read.close()
    assert [call for call in nvml.calls if call in ("nvmlInit", "nvmlShutdown")] == [
        "nvmlInit",
        "nvmlInit",
        "nvmlShutdown",
    ]
    assert read().cards


def test_real_nvml_reports_what_the_machine_has() -> None:
    read = GpuReader()
    found = read()
    read.close()
    assert bool(found.cards) != bool(found.absence)
