"""Run the benchmarks named on the command line, or all of them, and print a table of ratios."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import decoding, findings, job, library, memory, page, reading
from benchmarks.row import Row

BENCHMARKS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "decoding": decoding.run,
    "findings": findings.run,
    "job": job.run,
    "library": library.run,
    "memory": memory.run,
    "page": page.run,
    "reading": reading.run,
}


def main(names: list[str]) -> int:
    """Run the benchmarks and return the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed = 0
    with tempfile.TemporaryDirectory(prefix="framelens-bench-") as folder:
        for name in names or BENCHMARKS:
            for row in BENCHMARKS[name](Path(folder)):
                print(row, flush=True)
                missed += row.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
