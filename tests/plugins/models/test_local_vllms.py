"""The engines that run on the cards of this machine."""

import sys
from functools import partial
from types import SimpleNamespace

import psutil
import pytest

from framelens.engine.local.child_process import GUARD
from framelens.plugins.models.preflight.local_vllms import LocalVllm, local_vllms, visible_cards


def test_engines_of_other_programs_have_another_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["--served-model-name", "org/other", "--gpu-memory-utilization=0.4", "--tensor-parallel-size=2"]
    vllm = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *settings]
    commands = {1: [sys.executable, "-I", str(GUARD), "8.0", "3,4", *vllm], 2: vllm, 3: ["bash"]}
    environment = {"CUDA_VISIBLE_DEVICES": "2,3,5"}
    processes = [
        SimpleNamespace(pid=pid, cmdline=partial(list, words), environ=lambda: environment, create_time=lambda: 7.0)
        for pid, words in commands.items()
    ]
    monkeypatch.setattr(psutil, "process_iter", lambda: processes)
    assert local_vllms() == (LocalVllm("org/other", 1, 7.0, 0.4, (2, 3)),)


@pytest.mark.parametrize(("devices", "numbers"), [("1,0", (1, 0)), ("", ()), ("GPU-8a4c", ()), ("0, 2", (0, 2))])
def test_visible_cards_are_those_that_cuda_shows(devices: str, numbers: tuple[int, ...]) -> None:
    assert visible_cards({"CUDA_VISIBLE_DEVICES": devices}) == numbers
    assert visible_cards({})[:2] == (0, 1)
