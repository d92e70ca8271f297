"""How much of what is planted each tool sees: from a folder of videos with truth.json and its judge to tables.

The judge is a module with `events(truth, picks, budget)` and `shots(truth, times)`; it is given, not part of this.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.keyframes.bound import most_shown
from benchmarks.keyframes.table import markdown
from benchmarks.keyframes.tools import BUDGET, OURS, Tool

BUDGETS = (8, 16, 32, 64)
BEST_SIMPLE = "the best simple choice"
"""The better of frames spread evenly and of one frame a scene, with each budget."""
BELOW = " ▼"
"""Mark of a FrameLens share below the best simple choice's."""
Score = dict[str, Any]
Scores = dict[str, dict[int, Score]]


class Judge(Protocol):
    def events(self, truth: Score, picks: dict[str, list[float]], budget: int) -> Score: ...

    def shots(self, truth: Score, cuts: dict[str, list[float]]) -> Score: ...


def truth_of(folder: Path) -> Score:
    truth: Score = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return truth


def events_tables(folder: Path, judge: Judge, tools: Sequence[Tool]) -> Iterator[str]:
    """Tabulate the share of events seen with each budget, by type of event, and by video with 16 frames."""
    truth = truth_of(folder)
    if not _videos(truth, "events"):
        return
    scores = {tool.name: _events(folder, truth, judge, tool) for tool in tools if tool.picks}
    simple = [tool.name for tool in tools if tool.is_simple and tool.name in scores]
    yield from _overall(truth, scores, simple)
    yield f"By type of event, with {_row(BUDGETS)} frames:\n"
    kinds = list(next(iter(scores.values()))[BUDGET]["by_type"])
    yield from markdown(
        ["events", *scores, *([BEST_SIMPLE] if simple else [])],
        (_type_row(kind, scores, simple) for kind in kinds),
    )
    yield f"By video, with {BUDGET} frames: share of events seen, longest stretch.\n"
    videos = _videos(truth, "events")
    yield from markdown(
        ["video", *scores],
        ([name, *(_pair(score[BUDGET]["videos"][name]) for score in scores.values())] for name in videos),
    )


def shots_table(folder: Path, judge: Judge, tools: Sequence[Tool]) -> Iterator[str]:
    """Precision, recall and F1 of the reported boundaries, and the share found of each type."""
    truth = truth_of(folder)
    videos = _videos(truth, "shots")
    if not videos:
        return
    scores = {}
    for tool in tools:
        if tool.boundaries:
            _say(f"shots: {tool.name}")
            scores[tool.name] = judge.shots(truth, {name: tool.boundaries(folder / name) for name in videos})
    kinds = list(next(iter(scores.values()))["recall_by_type"])
    counts = {
        kind: sum(one["type"] == kind for video in videos.values() for one in video["boundaries"]) for kind in kinds
    }
    yield from markdown(
        ["tool", "precision", "recall", "F1", *(f"{kind} ({counts[kind]})" for kind in kinds)],
        (
            [
                name,
                *(f"{score[part]:.3f}" for part in ("precision", "recall", "f1")),
                *(f"{score['recall_by_type'][kind]:.2f}" for kind in kinds),
            ]
            for name, score in scores.items()
        ),
    )


def _events(folder: Path, truth: Score, judge: Judge, tool: Tool) -> dict[int, Score]:
    assert tool.picks
    scores = {}
    for budget in BUDGETS:
        _say(f"events: {tool.name}, {budget} frames")
        picks = {name: tool.picks(folder / name, budget) for name in _videos(truth, "events")}
        scores[budget] = judge.events(truth, picks, budget)
    return scores


def _type_row(kind: str, scores: Scores, simple: Sequence[str]) -> list[str]:
    """Return the row of a type of event; a share below the best simple choice's is marked."""
    shares = {name: [score[n]["by_type"][kind] for n in BUDGETS] for name, score in scores.items()}
    best = _best([shares[name] for name in simple])
    cells = (
        _row(map(_marked, every, best)) if name == OURS else _row(map(_share, every)) for name, every in shares.items()
    )
    return [kind, *cells, *([_row(map(_share, best))] if simple else [])]


def _best(rows: Sequence[Sequence[float]]) -> list[float]:
    """Return the best of the simple choices with each budget; 0 without simple choices."""
    return [max(column) for column in zip(*rows, strict=True)] or [0.0] * len(BUDGETS)


def _share(share: float) -> str:
    return f"{share:.2f}"


def _marked(share: float, best: float) -> str:
    return _share(share) + (BELOW if share < best else "")


def _overall(truth: Score, scores: Scores, simple: Sequence[str]) -> Iterator[str]:
    head = ["tool", *(f"{budget} frames" for budget in BUDGETS), f"longest stretch, {BUDGET}", f"worst video, {BUDGET}"]
    recalls = {name: [score[budget]["mean_recall"] for budget in BUDGETS] for name, score in scores.items()}
    best = _best([recalls[name] for name in simple])
    rows = [
        [
            name,
            *(map(_marked, recalls[name], best) if name == OURS else map(_share, recalls[name])),
            f"{score[BUDGET]['mean_gap']:.3f}",
            f"{score[BUDGET]['min_recall']:.2f}",
        ]
        for name, score in scores.items()
    ]
    if simple:
        rows.append([BEST_SIMPLE, *map(_share, best), "", ""])
    ceiling = [f"{_ceiling(truth, budget):.2f}" for budget in BUDGETS]
    yield from markdown(head, [*rows, ["the most that any choice can see", *ceiling, "", ""]])


def _ceiling(truth: Score, budget: int) -> float:
    rate, shares = truth["fps"], []
    for video in _videos(truth, "events").values():
        frames = [(round(event["t0"] * rate), round(event["t1"] * rate)) for event in video["events"]]
        shares.append(most_shown(frames, budget) / len(frames))
    return sum(shares) / len(shares)


def _videos(truth: Score, kind: str) -> dict[str, Score]:
    return {name: video for name, video in truth["videos"].items() if video["kind"] == kind}


def _row(cells: Any) -> str:
    return " / ".join(str(cell) for cell in cells)


def _pair(score: Score) -> str:
    return f"{score['recall']:.2f}, {score['gap']:.3f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
