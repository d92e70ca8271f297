"""A pynvml with cards of our making: the real module's errors and names, scripted answers."""

from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml

ANSWERS: dict[str, Any] = {
    "nvmlDeviceGetName": "NVIDIA GeForce RTX 4090",
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=24 * 2**30, used=18 * 2**30, free=6 * 2**30),
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=40),
    "nvmlDeviceGetTemperature": 64,
    "nvmlDeviceGetPowerUsage": 312_400,
    "nvmlDeviceGetEnforcedPowerLimit": 450_000,
}


@dataclass
class FakeNvml:
    """What each card answers, by the function that is asked; an exception is raised. `failure` meets all of NVML."""

    cards: list[dict[str, Any]] = field(default_factory=lambda: [dict(ANSWERS)])
    failure: Exception | None = None
    calls: list[str] = field(default_factory=list)

    def as_module(self) -> ModuleType:
        module = ModuleType("pynvml")
        for name in dir(pynvml):  # the errors and constants; a function that is not set below would reach for a driver
            if name.startswith(("NVMLError", "NVML_")):
                setattr(module, name, getattr(pynvml, name))
        whole = {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlDeviceGetCount": lambda: len(self.cards),
            "nvmlDeviceGetHandleByIndex": lambda index: self._answer(self.cards[index].get("handle", index)),
        }
        for name, answer in whole.items():
            setattr(module, name, self._whole(name, answer))
        for name in ANSWERS:
            setattr(module, name, self._of_card(name))
        return module

    def _whole(self, name: str, answer: Any) -> Any:
        assert callable(getattr(pynvml, name))

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if self.failure is not None and name != "nvmlShutdown":
                raise self.failure
            return answer(*arguments) if answer else None

        return call

    def _of_card(self, name: str) -> Any:
        assert callable(getattr(pynvml, name))
        return lambda handle, *_: self._answer(self.cards[handle][name])

    @staticmethod
    def _answer(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer
