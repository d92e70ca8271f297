"""Line about the machine and the programs that the figures were measured with, and their load."""

from __future__ import annotations

import os
import platform

import psutil

from benchmarks.keyframes.machine import processor
from framelens.engine.hardware import installed_vllm


def machine_line() -> str:
    """Describe the machine and its load."""
    device, version = installed_vllm() or ("no", "vLLM")
    parts = [
        f"{os.cpu_count()} cores of {processor()}",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"Python {platform.python_version()}",
        f"vLLM {version} ({device})",
        f"load before the run {os.getloadavg()[0]:.1f}",
    ]
    return "Machine: " + ", ".join(parts) + "."
