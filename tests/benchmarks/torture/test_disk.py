"""Commands on a small disk: a hundredth of what `make torture` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import disk
from benchmarks.torture.line import Scale


@pytest.mark.thorough
@pytest.mark.slow
def test_nothing_is_lost_on_a_full_disk(tmp_path: Path) -> None:
    lines = list(disk.run(Scale(0.01, tmp_path)))
    assert [str(line) for line in lines if line.failed] == []
