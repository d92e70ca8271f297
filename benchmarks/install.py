"""Size of an installation: packages, megabytes on the disk and seconds, of the distribution alone and with its extras.

`python -m benchmarks.install [EXTRAS…]` installs each into an empty environment from the package index that pip uses;
an installation is named by its extras, "" for none. Compiled files (`__pycache__`) don't count. The goals are those of
docs/benchmarks/install.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.row import Row

ROOT = Path(__file__).resolve().parents[1]
USUAL = ("", "app", "app,mcp", "app,speech")
_MB = 1_000_000


def run(extras: Sequence[str]) -> Iterator[Row]:
    """Yield three rows for each installation."""
    for extra in extras or USUAL:
        name = f"framelens[{extra}]" if extra else "framelens"
        with tempfile.TemporaryDirectory() as folder:
            seconds = _install(Path(folder), extra)
            packages = next(Path(folder).glob("lib/python*/site-packages"))
            yield Row(f"{name}, packages", len(list(packages.glob("*.dist-info"))), "")
            yield Row(f"{name}, on the disk", _size(packages) / _MB, "MB")
            yield Row(f"{name}, installed in", seconds, "s")


def _install(folder: Path, extra: str) -> float:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    began = time.perf_counter()
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", wanted], check=True)
    return time.perf_counter() - began


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    for row in run(sys.argv[1:]):
        print(row, flush=True)
