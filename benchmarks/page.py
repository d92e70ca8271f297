"""From opening the address to the page being there, and what a page that follows a job costs, in a real browser.

The second is measured with garbage collected after each run of the page, as Streamlit has it, and when Python sees fit
(app/.streamlit/config.toml); the engine is scripted and never ends its answer.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import psutil
from playwright.sync_api import sync_playwright

from benchmarks.row import Row
from tests.analysis.test_pipeline import answering_per_frame
from tests.browser.conftest import press_sample
from tests.llm.scripted import serve

_ROOT = Path(__file__).resolve().parents[1]
SECONDS_BOUND = 3.0
_FOLLOWED_SECONDS = 20.0
_SETTLE_SECONDS = 5.0
_MODEL = "scripted"
_COLLECTING = {"STREAMLIT_RUNNER_POST_SCRIPT_GC": "true"}


def run(folder: Path) -> Iterator[Row]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        print("page: skipped, there is no Chromium", file=sys.stderr)
        return
    started = time.perf_counter()
    with serving(folder / "page") as url:
        yield Row("server start to answering", time.perf_counter() - started, "s")
        for name, bound in (
            ("first page of a fresh server", SECONDS_BOUND),
            ("page of a second visitor", SECONDS_BOUND),
        ):
            yield Row(name, _seconds_to_see(chromium, url), "s", bound)
    with serve(_without_end, model=_MODEL) as engine:
        variables = {"FRAMELENS_BASE_URL": engine.base_url, "VLLM_MODEL_PATH": _MODEL}
        collecting = _seconds_to_follow(chromium, folder / "collecting", variables | _COLLECTING)
        not_collecting = _seconds_to_follow(chromium, folder / "not collecting", variables)
    note = f"{not_collecting:.2f} s / {collecting:.2f} s of processor time in {_FOLLOWED_SECONDS:.0f} s"
    name = "page that follows a job, without / with a collection of garbage after each run"
    yield Row(name, not_collecting / collecting, "x", 1.0, note)


def _without_end(body: dict[str, Any]) -> Iterator[str]:
    if body.get("max_tokens") == 1:  # a probe
        yield from answering_per_frame(body)
        return
    while True:
        yield " "
        time.sleep(1)


def _seconds_to_follow(chromium: str, data: Path, variables: dict[str, str]) -> float:
    """Start an analysis on the page, and return the processor time of the server while the page follows it."""
    with (
        mock.patch.dict(os.environ, variables),
        serving(data) as url,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        page = browser.new_page(locale="en-US")
        page.goto(url)
        press_sample(page)
        page.get_by_role("button", name="Analyse", exact=True).click()
        page.wait_for_url("**job=**")
        time.sleep(_SETTLE_SECONDS)
        (server,) = (one for one in psutil.Process().children() if "streamlit" in one.cmdline())
        before = server.cpu_times()
        time.sleep(_FOLLOWED_SECONDS)
        after = server.cpu_times()
    return after.user + after.system - before.user - before.system


@contextmanager
def serving(data: Path, root: Path = _ROOT) -> Iterator[str]:
    """Serve the app in `root` over this data folder and yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app/main.py",
        "--server.headless=true",
        f"--server.port={port}",
    ]
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(data), "PYTHONPATH": str(root)}
    server = subprocess.Popen(
        [*command, "--server.address=127.0.0.1"], cwd=root, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} never answered")


def _seconds_to_see(chromium: str, url: str) -> float:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(url)
        page.locator("button.choose:not(:empty)").wait_for()
        taken = time.perf_counter() - started
        browser.close()
    return taken
