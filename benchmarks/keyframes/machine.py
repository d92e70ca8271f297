"""Line about the machine and the programs that the figures were measured with, and their load."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.peers.environment import PYSCENEDETECT, VIDEO_ANALYZER


def machine_line() -> str:
    parts = [
        f"{os.cpu_count()} cores of {processor()}",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"PyAV {version('av')}",
        f"ffmpeg {_ffmpeg()}",
        PYSCENEDETECT.package,
        VIDEO_ANALYZER.package,
        f"load before the run {os.getloadavg()[0]:.1f}",
    ]
    return "Machine: " + ", ".join(parts) + "."


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _ffmpeg() -> str:
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]
