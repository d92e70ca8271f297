"""A launcher around `fake_engine.py`, so that the real LocalEngine and the real guard run it."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from framelens.core.events import EngineProgress
from framelens.engine.base import Launcher
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import describe

MakeEngine = Callable[..., LocalEngine]
FAKE = Path(__file__).with_name("fake_engine.py")


def fake_launcher(plan: dict[str, Any], **changes: Any) -> Launcher:
    """A launcher of the fake engine; log lines "phase: X" are its phases."""
    parts: dict[str, Any] = {
        "kind": "vllm",
        "model": "org/fake",
        "fetch": lambda on_progress, cancel: Path("/model"),
        "command": lambda folder, port: [sys.executable, str(FAKE), str(port), json.dumps(plan)],
        "environment": lambda api_key: {"FAKE_API_KEY": api_key},
        "served_name": lambda folder: "fake",
        "describe": functools.partial(describe, "org/fake"),
        "read_phase": lambda line: EngineProgress(line.removeprefix("phase: ")) if line.startswith("phase: ") else None,
    }
    return Launcher(**{**parts, **changes})


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, also if its parent has not noticed."""
    try:
        return psutil.Process(pid).status() == "zombie"
    except psutil.NoSuchProcess:
        return True
