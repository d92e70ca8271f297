"""From opening the address to the page being there, in a real browser, against a server that has just started."""

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

import httpx

from benchmarks.row import Row

SECONDS_BOUND = 3.0


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


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serve the app over this data folder and yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app/main.py",
        "--server.headless=true",
        f"--server.port={port}",
    ]
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(data)}
    server = subprocess.Popen([*command, "--server.address=127.0.0.1"], cwd=root, env=environment)
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
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(url)
        page.get_by_role("button").filter(has_text="Analyse").or_(page.get_by_text("开始分析")).first.wait_for()
        taken = time.perf_counter() - started
        browser.close()
    return taken
