"""Cost of a fast survey against the events that it sees, for several sizes from which a packet is outstanding.

The survey runs in this process, and its seconds of the processor are divided by those of `ffmpeg -f null` right after
it: neither start is counted. Whole processes are in the table of speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.keyframes.quality import Judge, truth_of
from benchmarks.keyframes.speed import Cost, cost
from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import ffmpeg_null
from framelens.core.domain import Pace, Selection
from framelens.core.events import KeyframesChosen
from framelens.video.keyframes import groups, pipeline
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader

LEAST_BYTES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Bytes for each macroblock."""
BUDGETS = (16, 32)


def pace_table(folder: Path, judge: Judge) -> Iterator[str]:
    """Tabulate the share of packets decoded, the cost and the share of events seen, by the least outstanding packet."""
    truth = truth_of(folder)
    names = [name for name, video in truth["videos"].items() if video["kind"] == "events"]
    if not names:
        return
    bare = [cost(lambda name=name: ffmpeg_null(folder / name)) for name in names]  # type: ignore[misc]
    rows = []
    for least in (None, *LEAST_BYTES):
        seen, shares, spent = [], [], 0.0
        for budget in BUDGETS:
            choices, costs = {}, []
            for name in names:
                choices[name], seconds = _surveyed(folder / name, budget, least)
                costs.append(seconds)
            picks = {name: [frame.time_seconds for frame in choice.keyframes] for name, choice in choices.items()}
            seen.append(f"{judge.events(truth, picks, budget)['mean_recall']:.3f}")
            shares = [choice.decode.decoded_share for choice in choices.values()]
            spent = sum(one.processor for one in costs) / sum(one.processor for one in bare)
        pace = "full" if least is None else f"fast, {least:g} bytes"
        rows.append([pace, f"{sum(shares) / len(shares):.2f}", f"{spent:.2f}", *seen])
    head = ["pace", "packets decoded", "processor time / ffmpeg", *(f"{budget} frames" for budget in BUDGETS)]
    yield from markdown(head, rows)


def _surveyed(path: Path, frames: int, least: float | None) -> tuple[KeyframesChosen, Cost]:
    pace: Pace = "full" if least is None else "fast"
    before = groups._LEAST_BYTES
    groups._LEAST_BYTES = before if least is None else least
    choices: list[KeyframesChosen] = []

    def run() -> None:
        with open_reader(path, every_frame=False) as reader:
            events = pipeline.run(reader, ExtractOptions(frames, Selection(pace=pace)), shows=False)
            choices.extend(event for event in events if isinstance(event, KeyframesChosen))

    try:
        spent = cost(run)
    finally:
        groups._LEAST_BYTES = before
    return choices[0], spent
