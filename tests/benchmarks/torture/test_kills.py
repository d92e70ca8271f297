"""Analyses that are killed: a hundredth of what `make torture` does, without engines and Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import kills
from benchmarks.torture.line import Scale
from tests.cards import CARDS, write_card_video


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.usefixtures("no_text_reading")
def test_killed_analyses_lose_nothing(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "clip.mp4", list(CARDS))
    lines = list(kills.kills_of_analyses(Scale(0.01, tmp_path), video))
    assert [(line.count, line.failed) for line in lines] == [(1, False)] * 3, lines
