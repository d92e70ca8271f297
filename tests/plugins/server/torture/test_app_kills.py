"""An app that is killed while programs ask it: a hundredth of what `make torture` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import app_kills
from benchmarks.torture.line import Scale


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.usefixtures("no_text_reading")
def test_killed_app_loses_nothing(tmp_path: Path) -> None:
    (line,) = app_kills.run(Scale(0.01, tmp_path))
    assert (line.count, line.failed) == (1, False), line
