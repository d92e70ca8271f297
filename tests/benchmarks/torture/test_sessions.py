"""Readers at once, one reader with a job: two of the fifty of `make torture`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import sessions
from benchmarks.torture.line import Scale


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.usefixtures("no_text_reading")
def test_readers_at_once_see_no_error(tmp_path: Path) -> None:
    lines = list(sessions.run(Scale(0.04, tmp_path)))
    assert [str(line) for line in lines if line.failed] == []
    assert lines[-2].what == "2 sessions: errors"
