"""`make torture`, or `python -m benchmarks.torture [PART …] [--share S] [--seed N] [--footage FOLDER] [--work FOLDER]`.

Each part prints lines of a table; the exit code is 1 if anything was lost or crashed. With `--share 0.01` one case in
a hundred is run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.torture.line import HEAD, Line, Scale

PARTS = ("kills", "app_kills", "ray_kills", "mutations", "disk", "attacks", "load", "sessions", "proxy")
_MODULES = {"attacks": "attacks.routes"}


def main(arguments: list[str]) -> int:
    """Run the parts and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="part of the full size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--footage", type=Path, help="folder of real videos to cut clips from; else cards are drawn")
    parser.add_argument("--work", type=Path, help="folder to work in; a temporary one by default")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    failed = False
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="framelens-torture-") as folder:
        scale = Scale(given.share, given.work or Path(folder), given.seed, given.footage)
        for name in given.parts or PARTS:
            started = time.monotonic()
            run: Callable[[Scale], Iterator[Line]] = import_module(f"benchmarks.torture.{_MODULES.get(name, name)}").run
            for line in run(scale):
                print(line, flush=True)
                failed = failed or line.failed
            print(f"  ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
