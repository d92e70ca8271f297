"""What the doors cost: this state of FrameLens against another revision, in whole processes, as ratios.

    python -m benchmarks.doors REVISION [--pairs 5] [--sessions 50] [--only start page keyframes sessions]

Both run with the packages of this environment, in turn and next to each other, so that what else the machine does
concerns both. Measured are the start of the app until it answers, its first page in Chromium, a whole `framelens
keyframes`, and the first page of many sessions at once, by Streamlit's own protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from benchmarks.page import serving
from benchmarks.row import Row
from tests.browser.conftest import CHROMIUM, IS_STILL

ROOT = Path(__file__).resolve().parents[1]
_FRAMES = 8
_LONGEST_SECONDS = 120
Measure = Callable[[Path], float]


def main(arguments: Sequence[str]) -> int:
    """Print a row for each measurement and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doors", description=__doc__)
    parser.add_argument("revision", help="what this state is compared with")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=("start", "page", "keyframes", "sessions"))
    given = parser.parse_args(arguments)
    measures: dict[str, Measure] = {
        "start": start_seconds,
        "page": page_seconds,
        "keyframes": keyframes_seconds,
        "sessions": partial(sessions_seconds, given.sessions),
    }
    load = os.getloadavg()[0]
    print(f"this state against {given.revision}, {given.pairs} pairs, load before {load:.1f} on {os.cpu_count()} cores")
    with checked_out(given.revision) as other:
        for name in given.only or measures:
            print(compared(name, measures[name], other, given.pairs), flush=True)
    return 0


def compared(name: str, measure: Measure, other: Path, pairs: int) -> Row:
    """Measure both states in turn, each first in every other pair, after a pair that fills the caches."""
    seconds = []
    for pair in range(pairs + 1):
        order = (ROOT, other) if pair % 2 else (other, ROOT)
        found = {root: measure(root) for root in order}
        seconds.append((found[ROOT], found[other]))
    ratios = sorted(now / then for now, then in seconds[1:])
    now, then = (median(column) for column in zip(*seconds[1:], strict=True))
    return Row(name, median(ratios), "x", note=f"{ratios[0]:.2f}–{ratios[-1]:.2f}; {now:.2f} s / {then:.2f} s")


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Yield a folder with the files of a revision."""
    with tempfile.TemporaryDirectory(prefix="framelens-doors-") as folder:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
        yield Path(folder)


def start_seconds(root: Path) -> float:
    """Return the time from the start of the app's process until it answers."""
    started = time.perf_counter()
    with app_of(root):
        return time.perf_counter() - started


def page_seconds(root: Path) -> float:
    """Return the time from opening the first page of a fresh server until it is drawn and takes a video."""
    with app_of(root) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(url)
        page.locator("button.choose:not(:empty)").wait_for()
        page.wait_for_function(IS_STILL)
        taken = time.perf_counter() - started
        browser.close()
    return taken


def keyframes_seconds(root: Path) -> float:
    """Return the time of `framelens keyframes` on the sample video, with an empty data folder."""
    package = "framelens" if (root / "framelens" / "__main__.py").is_file() else "app"  # of older revisions
    with tempfile.TemporaryDirectory() as data:
        environment = {**os.environ, "PYTHONPATH": str(root), "FRAMELENS_DATA_DIR": data}
        options = [
            "keyframes",
            str(root / package / "samples" / "sample.mp4"),
            "--frames",
            str(_FRAMES),
            "--json",
            "--quiet",
        ]
        command = [sys.executable, "-P", "-m", package, *options]
        started = time.perf_counter()
        subprocess.run(command, cwd=data, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def sessions_seconds(count: int, root: Path) -> float:
    """Return the time until so many sessions that begin at once have their first page."""
    with app_of(root) as url:
        asyncio.run(_visit(url))  # the first page of a server loads what others use
        started = time.perf_counter()
        asyncio.run(_visit_at_once(url, count))
        return time.perf_counter() - started


async def _visit_at_once(url: str, count: int) -> None:
    await asyncio.gather(*(_visit(url) for _ in range(count)))


async def _visit(url: str) -> None:
    """Open a session and wait until its page has been sent."""
    address, protocols = f"ws{url.removeprefix('http')}_stcore/stream", ["streamlit"]
    async with asyncio.timeout(_LONGEST_SECONDS):
        async with connect(address, origin=url.rstrip("/"), subprotocols=protocols, max_size=None) as socket:  # type: ignore[arg-type]
            asked = BackMsg()
            asked.rerun_script.query_string = ""
            await socket.send(asked.SerializeToString())
            async for message in socket:
                if ForwardMsg.FromString(message).WhichOneof("type") == "script_finished":  # type: ignore[arg-type]
                    return


@contextmanager
def app_of(root: Path) -> Iterator[str]:
    """Serve the app of a state with an empty data folder, and yield its address once it answers."""
    data = Path(tempfile.mkdtemp())
    try:
        with serving(data, root) as url:
            yield url
    finally:
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
