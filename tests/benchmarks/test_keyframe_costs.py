"""How costs are told: a tool between two bare decodes, memory of everything that was started, answers kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.keyframes.memory import peak_megabytes
from benchmarks.keyframes.speed import Cost, Round


def test_a_tool_is_divided_by_the_mean_of_its_neighbours() -> None:
    one = Round(before=Cost(3, 6), tool=Cost(8, 12), after=Cost(5, 6), start=Cost(2, 2), bare_start=Cost(1, 1))
    assert (one.by_clock, one.by_clock_without_start, one.by_processor) == (2.0, 2.0, 2.0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_counts_new_descendants_only() -> None:
    ours = b"x" * 200_000_000
    idle = "taken = b'x' * 90_000_000; input()"
    other = subprocess.Popen([sys.executable, "-c", idle], stdin=subprocess.PIPE)
    inner = "import time; taken = b'x' * 120_000_000; time.sleep(0.5)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    # A child that has not become another program yet is still ours, for an instant that a look may fall into.
    peaks = [peak_megabytes(lambda: subprocess.run([sys.executable, "-c", outer], check=True)) for _ in range(3)]
    assert any(120 < peak < 200 for peak in peaks), peaks
    other.communicate(b"\n")
    assert len(ours) == 200_000_000
