"""Resident memory of the app and its decoder worker, by length of the video and number of frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from benchmarks.memory import peak_megabytes
from benchmarks.row import Row

FRAMES = (64, 256)
BOUND = 1.1
IN_FLIGHT = 4


def rows(base_url: str, data: Path, videos: Mapping[int, Path]) -> Iterator[Row]:
    """Measure the growth of memory; `videos` are two videos by their length in minutes."""
    short, long = sorted(videos)
    peaks = {
        (minutes, frames): peak_megabytes(_command(base_url, data, videos[minutes], frames))
        for minutes, frames in product((short, long), FRAMES)
    }
    for frames in FRAMES:
        small, large = peaks[short, frames], peaks[long, frames]
        name = f"memory, {frames} frames: {long} minutes / {short} minutes"
        yield Row(name, large / small, "x", BOUND, f"{large:.0f} MB / {small:.0f} MB")
    few, many = (peaks[long, frames] for frames in FRAMES)
    name = f"memory, {long} minutes: {FRAMES[1]} frames / {FRAMES[0]} frames"
    yield Row(name, many / few, "x", None, f"{(many - few) / (FRAMES[1] - FRAMES[0]):.2f} MB a frame")


def _command(base_url: str, data: Path, video: Path, frames: int) -> list[str]:
    options = (base_url, data, video, frames, IN_FLIGHT)
    return [sys.executable, "-m", "benchmarks.analysis.once", *map(str, options)]
