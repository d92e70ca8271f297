"""Keyframes and shots against videos in which what happens is known: planted events, cuts, dissolves and fades.

`python -m benchmarks.keyframes FOLDER EVALUATOR` prints a Markdown table. FOLDER holds videos and their truth.json;
EVALUATOR is the judge's folder (the one with eval_events.py). Compared with even sampling of the same number of frames.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from app.domain import DecodeSummary, KeyframesChosen
from app.video import extract

BUDGETS = (8, 16, 32, 64)
Times = dict[str, list[float]]


def chosen(path: Path, frames: int) -> KeyframesChosen:
    for event in extract(path, frames=frames, read_text=False):
        if isinstance(event, KeyframesChosen):
            return event
    raise RuntimeError(f"no keyframes came of {path}")


def boundary_times(decode: DecodeSummary) -> list[float]:
    return [(boundary.start_seconds + boundary.end_seconds) / 2 for boundary in decode.boundaries]


def even(duration_seconds: float, frames: int) -> list[float]:
    return [duration_seconds * (place + 0.5) / frames for place in range(frames)]


def events_table(folder: Path, truth: dict[str, Any], judge: ModuleType) -> list[str]:
    """Rows: budget, then the mean share of events and the longest stretch without a frame, ours and even sampling's."""
    rows = [
        "| frames | FrameLens: events | longest stretch | even: events | longest stretch |",
        "|---|---|---|---|---|",
    ]
    videos = {name: video for name, video in truth["videos"].items() if video["kind"] == "events"}
    for budget in BUDGETS:
        ways: list[Callable[[str], list[float]]] = [
            lambda name, n=budget: [frame.time_seconds for frame in chosen(folder / name, n).keyframes],  # type: ignore[misc]
            lambda name, n=budget: even(videos[name]["duration"], n),  # type: ignore[misc]
        ]
        scores = [judge.events(truth, {name: way(name) for name in videos}, budget) for way in ways]
        cells = " | ".join(f"{score['mean_recall']:.2f} | {score['mean_gap']:.3f}" for score in scores)
        rows.append(f"| {budget} | {cells} |")
    return rows


def shots_table(folder: Path, truth: dict[str, Any], judge: ModuleType) -> list[str]:
    videos = [name for name, video in truth["videos"].items() if video["kind"] == "shots"]
    times: Times = {name: boundary_times(chosen(folder / name, 16).decode) for name in videos}
    score = judge.shots(truth, times)
    kinds = ", ".join(f"{kind} {share:.2f}" for kind, share in score["recall_by_type"].items())
    return [f"Shots: F1 {score['f1']:.3f} (precision {score['precision']:.2f}); found: {kinds}"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    sys.path.insert(0, arguments[1])
    judge = importlib.import_module("eval_events")
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    for line in (*events_table(folder, truth, judge), "", *shots_table(folder, truth, judge)):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
