"""Size of an installation: packages, megabytes fetched and on the disk, and seconds, alone and with extras.

`python -m benchmarks.install [EXTRAS…]` installs each into an empty environment, with an empty cache, from the package
index that uv uses; an installation is named by its extras, "" for none. Compiled files (`__pycache__`) don't count, nor
do packages below a megabyte count as fetched, which uv doesn't name. The goals are those of docs/benchmarks/install.md.
"""

from __future__ import annotations

import os
import re
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
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_FETCHED = re.compile(r"Downloading \S+ \(([\d.]+)([KMG]iB)\)")


def run(extras: Sequence[str]) -> Iterator[Row]:
    """Yield four rows for each installation."""
    for extra in extras or USUAL:
        name = f"framelens[{extra}]" if extra else "framelens"
        with tempfile.TemporaryDirectory() as folder:
            seconds, fetched = _install(Path(folder), extra)
            packages = next(Path(folder).glob("lib/python*/site-packages"))
            yield Row(f"{name}, packages", len(list(packages.glob("*.dist-info"))), "")
            yield Row(f"{name}, fetched", fetched / _MB, "MB")
            yield Row(f"{name}, on the disk", _size(packages) / _MB, "MB")
            yield Row(f"{name}, installed in", seconds, "s")


def _install(folder: Path, extra: str) -> tuple[float, float]:
    """Return the seconds of the installation, and the bytes of the packages that uv names as it fetches them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    began = time.perf_counter()
    command = [Path(sys.executable).with_name("uv"), "pip", "install", "--python", folder / "bin" / "python"]
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "UV_CACHE_DIR": cache}
        done = subprocess.run(
            [*command, wanted], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds = time.perf_counter() - began
    return seconds, sum(float(number) * _UNITS[unit] for number, unit in _FETCHED.findall(done.stderr))


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    for row in run(sys.argv[1:]):
        print(row, flush=True)
