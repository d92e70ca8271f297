"""Cost of a fast survey against the events that it sees, and what a time limit leaves of them.

A fast survey is tried for several sizes from which a packet is outstanding. It runs in this process, and its seconds of
the processor are divided by those of `ffmpeg -f null` right after it: neither start is counted. Whole processes are in
the table of speed.

For a time limit every packet takes as long as any other, on a clock that they move, so that its table is the same on
every machine. Beside it are as many groups of pictures, evenly spread: what their packets say isn't looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from av.packet import Packet
from av.stream import Stream

from benchmarks.keyframes.quality import Judge, truth_of
from benchmarks.keyframes.speed import Cost, cost
from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import ffmpeg_null
from framelens.core.domain import Pace, Selection
from framelens.core.events import KeyframesChosen
from framelens.video.keyframes import groups, pipeline, time_limit
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.time_limit import TimedPlan
from framelens.video.readers import open_reader

LEAST_BYTES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Bytes for each macroblock."""
BUDGETS = (16, 32)
LIMITS = (0.5, 0.25, 0.125)
"""Share of the packets that there is time for."""


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


class _PacketClock:
    """A clock of which a second is a decoded packet."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def limit_table(folder: Path, judge: Judge) -> Iterator[str]:
    """Tabulate the share of events seen if there is time for some of the packets."""
    truth = truth_of(folder)
    names = [name for name, video in truth["videos"].items() if video["kind"] == "events"]
    rows = []
    for share in (1.0, *LIMITS) if names else ():
        for by_packets in (True, False) if share < 1 else (True,):
            seen = []
            for budget in BUDGETS:
                picks = {name: _limited(folder / name, budget, share, by_packets=by_packets) for name in names}
                seen.append(f"{judge.events(truth, picks, budget)['mean_recall']:.3f}")
            rows.append([f"{share:g}", "by their packets" if by_packets else "evenly spread", *seen])
    head = ["packets there is time for", "groups", *(f"{budget} frames" for budget in BUDGETS)]
    yield from markdown(head, rows) if rows else ()


def _limited(path: Path, frames: int, share: float, *, by_packets: bool) -> list[float]:
    """Return the seconds of the frames that are chosen in the time of a share of the packets."""
    clock = _PacketClock()

    class Counted(TimedPlan):
        def takes(self, packet: Packet[Stream]) -> bool:
            is_taken = super().takes(packet)
            clock.now += is_taken
            return is_taken

    with open_reader(path, every_frame=False) as reader, ExitStack() as changed:
        changed.enter_context(patch.object(time_limit, "TimedPlan", Counted))
        changed.enter_context(patch.object(time_limit, "time", clock))
        if not by_packets:
            changed.enter_context(patch.object(groups.Groups, "evidence", lambda *_: 1.0))
        limit = share * (groups.groups_of(reader.info) or _no_groups(path)).lengths.sum()
        events = pipeline.run(reader, ExtractOptions(frames, Selection(limit_seconds=float(limit))), shows=False)
        (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    return [frame.time_seconds for frame in chosen.keyframes]


def _no_groups(path: Path) -> NoReturn:
    raise ValueError(f"the packets of {path} can't be listed")


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
