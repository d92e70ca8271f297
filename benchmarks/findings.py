"""A stored report of 10,000 findings in a real browser: time from click to first findings, and between pages."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from app.panels.report.report import PAGE
from benchmarks.page import serving
from benchmarks.row import Row
from framelens.composition import SAMPLE
from framelens.core.analysis_state import AnalysisState
from framelens.core.codec import to_json
from framelens.core.domain import AnalysisRequest
from framelens.jobs.snapshot import JobSnapshot, to_row
from framelens.store.database import Store
from tests.app import rich

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTS = 50
FINDINGS_EACH = 200
NAMES = ("first", "second", "third", "fourth")
SECONDS_BOUND = 1.0
_CREATED = "2026-01-02T03:04:05.000+00:00"


def run(folder: Path) -> Iterator[Row]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        print("findings: skipped, there is no Chromium", file=sys.stderr)
        return
    data = folder / "findings"
    for name in NAMES:
        _store(data, name)
    with serving(data) as url:
        yield from _measured(chromium, url)


def _store(data: Path, name: str) -> None:
    """Store the report as a finished job does."""
    request = AnalysisRequest(SAMPLE, frames=PARTS * rich.FRAMES_EACH)
    analysis = rich.rich(request, name, parts=PARTS, findings=FINDINGS_EACH, cues=2000, model=name)
    job = JobSnapshot(name, f"{name}.mp4", _CREATED, request, state="done", progress=AnalysisState.of(analysis))
    store = Store(data / "framelens.sqlite")
    store.save(to_row(job, "no one"))
    store.save_frames(name, ((frame.number, frame.jpeg) for frame in analysis.keyframes))
    for result in analysis.requests:
        store.save_result(name, result.number, to_json(result))
    store.close()


def _measured(chromium: str, url: str) -> Iterator[Row]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(locale="en-US")
        page.goto(url)
        warm, *cold = NAMES
        _opened(page, warm)  # the server has drawn a report before
        count = f"{PARTS * FINDINGS_EACH:,} findings"
        opened = median([_opened(page, name) for name in cold])
        yield Row(f"open a report of {count} from the store", opened, "s", SECONDS_BOUND)
        turned = median([_turned(page, number) for number in (2, 3, 4)])
        yield Row("turn a page of them", turned, "s", SECONDS_BOUND)
        found = median([_found(page, number) for number in (199, 150, 101)])
        yield Row("find one of them by a word", found, "s", SECONDS_BOUND)
        browser.close()


def _opened(page: Page, name: str) -> float:
    """Measure the seconds from the click on a recent analysis to its findings."""
    button = page.get_by_role("button").filter(has_text=f"{name}.mp4")
    button.wait_for()
    page.wait_for_timeout(1500)
    started = time.perf_counter()
    button.click()
    page.get_by_text(f"seen by {name}, number 0.0.").wait_for()
    return time.perf_counter() - started


def _turned(page: Page, number: int) -> float:
    started = time.perf_counter()
    page.get_by_role("button", name=f"Page {number}", exact=True).click()
    page.get_by_text(f"number 0.{(number - 1) * PAGE}.").wait_for()
    return time.perf_counter() - started


def _found(page: Page, number: int) -> float:
    field = page.get_by_label("Search", exact=True)
    field.fill(f"number 49.{number}.")
    started = time.perf_counter()
    field.press("Enter")
    page.get_by_text(f"number 49.{number}.").wait_for()
    return time.perf_counter() - started
