"""The tables of what is seen: every tool judged on the same videos with the same budgets, beside the ceiling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.keyframes.quality import events_tables, shots_table
from benchmarks.keyframes.tools import OURS, Tool

TRUTH = {
    "fps": 10,
    "videos": {
        "a.mp4": {"kind": "events", "duration": 10.0, "events": [{"t0": 1.0, "t1": 2.0, "type": "slide"}]},
        "b.mp4": {"kind": "shots", "duration": 10.0, "boundaries": [{"t0": 5.0, "t1": 5.0, "type": "cut"}]},
    },
}


class Judge:
    """Counts an event as seen where a time lies in it, and a boundary as found where a time is it."""

    def events(self, truth: dict[str, Any], picks: dict[str, list[float]], budget: int) -> dict[str, Any]:
        assert all(len(times) <= budget for times in picks.values())
        seen = float(any(1.0 <= time < 2.0 for time in picks["a.mp4"]))
        video = {"recall": seen, "gap": 0.5}
        shares = {"mean_recall": seen, "mean_gap": 0.5, "min_recall": seen}
        return {**shares, "by_type": {"slide": seen}, "videos": {"a.mp4": video}}

    def shots(self, truth: dict[str, Any], cuts: dict[str, list[float]]) -> dict[str, Any]:
        found = float(cuts["b.mp4"] == [5.0])
        return {"precision": found, "recall": found, "f1": found, "recall_by_type": {"cut": found}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH), encoding="utf-8")
    return tmp_path


TOOLS = [
    Tool("sees", lambda path, frames: [1.5], lambda path: [5.0]),
    Tool("misses", lambda path, frames: [7.0]),
    Tool("finds shots alone", None, lambda path: []),
]


def test_frame_tools_are_compared_with_the_maximum(folder: Path) -> None:
    lines = list(events_tables(folder, Judge(), TOOLS))
    assert "| sees | 1.00 | 1.00 | 1.00 | 1.00 | 0.500 | 1.00 |" in lines
    assert "| misses | 0.00 | 0.00 | 0.00 | 0.00 | 0.500 | 0.00 |" in lines
    assert "| the most that any choice can see | 1.00 | 1.00 | 1.00 | 1.00 |  |  |" in lines
    assert "| slide | 1.00 / 1.00 / 1.00 / 1.00 | 0.00 / 0.00 / 0.00 / 0.00 |" in lines
    assert "| a.mp4 | 1.00, 0.500 | 0.00, 0.500 |" in lines


def test_shares_below_the_best_simple_choice_are_marked(folder: Path) -> None:
    ours = Tool(OURS, lambda path, frames: [1.5] if frames > 8 else [7.0])
    simple = Tool("one a scene", lambda path, frames: [1.5], is_simple=True)
    lines = list(events_tables(folder, Judge(), [ours, simple]))
    assert f"| {OURS} | 0.00 ▼ | 1.00 | 1.00 | 1.00 | 0.500 | 1.00 |" in lines
    assert "| the best simple choice | 1.00 | 1.00 | 1.00 | 1.00 |  |  |" in lines
    row = "| slide | 0.00 ▼ / 1.00 / 1.00 / 1.00 | 1.00 / 1.00 / 1.00 / 1.00 | 1.00 / 1.00 / 1.00 / 1.00 |"
    assert row in lines


def test_shot_tools_are_listed_by_type_with_counts(folder: Path) -> None:
    lines = list(shots_table(folder, Judge(), TOOLS))
    assert lines[0] == "| tool | precision | recall | F1 | cut (1) |"
    assert lines[2:4] == [
        "| sees | 1.000 | 1.000 | 1.000 | 1.00 |",
        "| finds shots alone | 0.000 | 0.000 | 0.000 | 0.00 |",
    ]
