"""Jobs of a scripted engine leave nothing behind."""

from __future__ import annotations

from pathlib import Path

from benchmarks.torture import load
from benchmarks.torture.line import Scale


def test_jobs_leave_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    (line,) = load.run(Scale(0.002, tmp_path))
    assert (line.count, line.failed) == (20, False), line
