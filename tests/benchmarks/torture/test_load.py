"""Jobs of a scripted engine leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_jobs_leave_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    # In a process of its own: the figures count everything that a process holds.
    command = [sys.executable, "-m", "benchmarks.torture", "load", "--share", "0.002", "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 20 " in done.stdout, done.stdout
