"""The walk of an analysis: an event passes few frames from the decoder to the progress bar, and is folded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.walk import _answered, _walked
from tests.llm.scripted import serve


@pytest.mark.slow
def test_chosen_keyframes_pass_eight_generators_at_most(tmp_path: Path) -> None:
    with serve(_answered) as server:
        found = _walked(tmp_path, server)
    folders = {one.split("/")[0] for one in found["frames"]}
    assert {"video", "analysis", "services"} <= folders and len(found["frames"]) <= 8
    assert any(one.startswith("video/keyframes/pipeline.py") for one in found["frames"])  # of the decoder, too
    assert (found["exit"], found["folds"]) == (0, 1)
