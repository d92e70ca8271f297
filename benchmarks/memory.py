"""The largest resident memory while frames are chosen: a video of 60 minutes against a video of 10.

Both have the same number of shots a minute. What counts is the sum of this process and its decoding child.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.footage import make
from benchmarks.row import Row

_CHOOSE = """
import sys
from pathlib import Path
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.extractor import extract
for event in extract(Path(sys.argv[1]), ExtractOptions(16)):
    pass
"""


def run(folder: Path) -> Iterator[Row]:
    peaks = {}
    for minutes in (10, 60):
        video = make(folder / f"{minutes}.mp4", seconds=minutes * 60, width=640, height=360, frame_rate=10)
        peaks[minutes] = peak_megabytes([sys.executable, "-c", _CHOOSE, str(video)])
    note = f"{peaks[60]:.0f} MB / {peaks[10]:.0f} MB"
    yield Row("memory of a 60-minute video / a 10-minute video", peaks[60] / peaks[10], "x", 1.1, note)


def peak_megabytes(command: Sequence[str]) -> float:
    """Return the most megabytes that a process and its descendants hold together at a time."""
    process = subprocess.Popen(command)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(psutil.Process(process.pid)))
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return peak / 1e6


def _resident(process: psutil.Process) -> float:
    total = 0.0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.Error:  # it ended while it was looked at
        return total
    return total
