"""Waiting time for something to look at: seconds from the call to the first events of a long video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import BUDGET, as_in_the_app
from framelens.core.events import KeyframeFound, Probed
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions

NAMES = ("what the file is (Probed)", "the first keyframe (KeyframeFound)", "the first picture (its JPEG)")


def first_table(video: Path, *, rounds: int) -> Iterator[str]:
    every = []
    for _ in range(rounds):
        with as_in_the_app():
            every.append(_waits(video))
    rows = []
    for place, name in enumerate(NAMES):
        waits = [one[place] for one in every]
        rows.append([name, f"{median(waits):.2f}", f"{min(waits):.2f}", f"{max(waits):.2f}"])
    yield from markdown(["seconds to", "median", "least", "most"], rows)


def _waits(video: Path) -> tuple[float, float, float]:
    began = time.perf_counter()
    probed = found = 0.0
    for event in extract(video, ExtractOptions(BUDGET, read_text=False)):
        now = time.perf_counter() - began
        if isinstance(event, Probed):
            probed = now
        if isinstance(event, KeyframeFound):
            found = found or now
            if event.keyframe.jpeg:
                return probed, found, now
    raise RuntimeError(f"no picture came of {video}")
