"""Fifty readers in Chromium at once, half of them with a job: errors, waiting times, and what the server keeps of them.

The app, the browser, the uploads and the jobs are real. The engine is scripted, in a process of its own, and takes
seconds for an answer; readers think between two actions. A waiting time is from a click until the page shows what was
asked for and nothing moves. In the first two rounds the server fills its caches; afterwards memory, threads,
descriptors and temporary files must not grow.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any, cast
from unittest import mock

import psutil
from playwright.async_api import Browser, Locator, Page, Response, WebSocket, async_playwright, expect
from playwright.async_api import Error as PageError

from benchmarks.clips import make_clips
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.slow_engine import MODEL
from framelens.i18n import t
from tests.browser.conftest import CHROMIUM, IS_STILL, App, running

_ROOT = Path(__file__).resolve().parents[2]
_log = logging.getLogger(__name__)
_FULL = 50
_ROUNDS = 4
_PAUSE_SECONDS = 10.0
"""Between two actions of a reader, on average."""
_OPENING = 4
"""Pages that are opened at the same time."""
_SEED = "finished-before.mp4"
_LONGEST_WAIT_MS = 240_000
"""Ends the wait for what never comes."""
_LONGEST_QUEUE_MS = 1_200_000
"""The same for a report: the last of 25 jobs waits for the others."""
_LAST_LOOK_SECONDS = 10.0
_KEPT_SECONDS = 10
"""How long a closed session is kept for a browser that reconnects, in place of two minutes; it is dropped when the next
session closes.
"""
_CALM_SECONDS = 70.0
"""Until objects that are kept for a minute, such as downloads, are gone."""
_MOST_MEGABYTES = 0.5
"""Growth of memory for each session that counts as a leak: the objects of a session that is kept take more. Chosen by
hand."""
_SLACK_MEGABYTES = 24.0
"""Growth that is no leak: after rounds of 6 sessions, 296, 298, 308 and 305 MB were held."""
_MOST_MORE = 8
"""More threads, descriptors, processes or files that are no leak: pools keep what they started."""
_TEXTS = """() => {
    const lines = [];
    const look = (node) => {
        if (node.hidden) return;
        const text = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join(" ");
        if (text && !["STYLE", "SCRIPT"].includes(node.tagName)) lines.push(text);
        [...(node.shadowRoot?.children ?? []), ...node.children].forEach(look);
    };
    look(document.body);
    return lines.join("\\n");
}"""
"""What the page and its components show, a line for each element."""
_REPORT = ".st-key-report_menu"
_ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"


@dataclass
class _Seen:
    """How long readers think, what they waited for, in seconds, and what went wrong."""

    draw: Random
    pause_seconds: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Level:
    """What the server holds when all sessions are over."""

    megabytes: float
    threads: int
    descriptors: int
    processes: int
    files: int

    @classmethod
    def of(cls, pid: int, temporary: Path) -> _Level:
        server = psutil.Process(pid)
        files = sum(1 for one in temporary.rglob("*") if one.is_file())
        megabytes = server.memory_info().rss / 2**20
        return cls(megabytes, server.num_threads(), server.num_fds(), len(server.children(recursive=True)), files)


class _Reader:
    """A page in a browser context of its own; everything that goes wrong in it is counted."""

    def __init__(self, page: Page, seen: _Seen) -> None:
        self.page = page
        self._seen = seen
        self._action = ""
        self._is_leaving = False
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("console", lambda said: self._note(f"console: {said.text}") if said.type == "error" else None)
        page.on("response", self._check_status)
        page.on("websocket", self._watch)

    def _note(self, what: str) -> None:
        if not self._is_leaving:
            self._seen.errors[what[:200]] += 1

    def _check_status(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status} {re.sub(r'[?].*', '', response.url)}")

    def _watch(self, socket: WebSocket) -> None:
        socket.on("socketerror", lambda error: self._note(f"connection error: {error}"))
        socket.on("close", lambda _: self._note("connection closed"))

    async def act(
        self, name: str, act: Awaitable[Any], shown: Locator, *, longest_ms: float = _LONGEST_WAIT_MS
    ) -> None:
        """Do something, wait until it is shown and the page is still, and count the seconds; then think."""
        self._action, began = name, time.monotonic()
        await act
        await expect(shown).to_be_visible(timeout=longest_ms)
        await self.page.wait_for_function(IS_STILL, polling=50)
        self._seen.seconds[name].append(time.monotonic() - began)
        for text in await self.page.locator(_ERRORS).all_inner_texts():
            self._note(f"after “{name}”: {text}")
        await asyncio.sleep(self._seen.draw.uniform(0, 2 * self._seen.pause_seconds))

    async def fail(self, error: Exception) -> None:
        """Count what ended the session, and show in the log what the page showed then."""
        self._note(f"“{self._action}” ended: {type(error).__name__}: {str(error).splitlines()[0]}")
        with suppress(PageError, TimeoutError):
            shown = await asyncio.wait_for(self.page.evaluate(_TEXTS), _LAST_LOOK_SECONDS)
            _log.warning("“%s” ended at %s: %s\n%s", self._action, self.page.url, error, shown)

    async def leave(self) -> None:
        """Close the browser's context."""
        self._is_leaving = True
        await self.page.context.close()


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each action with its waiting times, a line of errors, and a line of what the server keeps."""
    if not CHROMIUM.exists():
        raise SystemExit(f"no Chromium at {CHROMIUM} (apt-get install chromium, or set CHROMIUM)")
    count, rounds = max(2, scale.count(_FULL)), _ROUNDS if scale.share >= 0.1 else 1
    folder, temporary = scale.folder("sessions"), scale.folder("sessions/tmp")
    clips = make_clips(scale.folder("sessions/clips"), scale.footage, count // 2 * rounds + 1)
    seed = Path(shutil.copy(clips.pop(), folder / _SEED))
    seen, levels = _Seen(Random(scale.seed)), list[_Level]()
    with ExitStack() as stack:
        environ = {"FRAMELENS_BASE_URL": stack.enter_context(_engine()), "TMPDIR": str(temporary)}
        with mock.patch.dict(os.environ, environ):  # of the server alone: the browser's socket needs a short path
            app = stack.enter_context(
                running("app/main.py", folder, f"--server.disconnectedSessionTTL={_KEPT_SECONDS}", model=MODEL)
            )
        asyncio.run(_prepare(app, seed, seen))
        seen.seconds.clear()
        seen.pause_seconds = _PAUSE_SECONDS * min(1.0, count / _FULL)
        for number in range(rounds):
            given = clips[number * (count // 2) : (number + 1) * (count // 2)]
            asyncio.run(_round(app, given, count - len(given), seen))
            if rounds > 1:
                time.sleep(_CALM_SECONDS)
                asyncio.run(_visit(app, seen))
                time.sleep(_KEPT_SECONDS)
            levels.append(_Level.of(app.pid, temporary))
        for name, seconds in seen.seconds.items():
            yield Line(f"{count} sessions: {name}", len(seconds), note=_quantiles(seconds))
        log = (folder / "server.log").read_text(errors="replace")
        errors = seen.errors + Counter({"traceback in the log": log.count("Traceback")})
        said = "; ".join(f"{number} × {what}" for what, number in errors.most_common(5))
        yield Line(f"{count} sessions: errors", rounds * count, 0, errors.total(), said)
        yield _growth(levels, count)


def _growth(levels: Sequence[_Level], count: int) -> Line:
    """Compare what is held after the last round with what was held after the second."""
    first, last = levels[min(1, len(levels) - 1)], levels[-1]
    sessions = count * max(0, len(levels) - 2)
    grown = last.megabytes - first.megabytes > max(_SLACK_MEGABYTES, _MOST_MEGABYTES * sessions)
    held = ("threads", "descriptors", "processes", "files")
    lost = int(grown) + sum(getattr(last, name) > getattr(first, name) + _MOST_MORE for name in held)
    note = f"{', '.join(f'{one.megabytes:.0f}' for one in levels)} MB after the rounds, "
    note += ", ".join(f"{getattr(first, name)} to {getattr(last, name)} {name}" for name in held)
    return Line(f"{count} sessions: what the server keeps", sessions, 0, lost, note)


def _quantiles(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else list(seconds) * 99
    return f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s"


# ---- the engine


@contextmanager
def _engine() -> Iterator[str]:
    """Serve the scripted engine in a process of its own and yield its address."""
    command = [sys.executable, "-m", "benchmarks.torture.slow_engine"]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = cast(IO[str], process.stdout).readline().strip()
            assert address, "the scripted engine did not start"
            yield address
        finally:
            process.terminate()


# ---- the sessions


async def _prepare(app: App, seed: Path, seen: _Seen) -> None:
    """Make the report that the readers open."""
    async with async_playwright() as playwright:
        browser = await _launched(playwright)
        reader = await _opened(browser, seen)
        await _analyse(reader, app.url, seed, asyncio.Semaphore())
        await reader.leave()
        await browser.close()


async def _visit(app: App, seen: _Seen) -> None:
    """Open the page once."""
    async with async_playwright() as playwright:
        browser = await _launched(playwright)
        reader = await _opened(browser, seen)
        await _open(reader, app.url)
        await reader.leave()
        await browser.close()


async def _round(app: App, clips: Sequence[Path], num_browsing: int, seen: _Seen) -> None:
    """Let all sessions work at once, and close them when they and the jobs are over."""
    async with async_playwright() as playwright:
        browser = await _launched(playwright)
        readers = [await _opened(browser, seen) for _ in range(len(clips) + num_browsing)]
        opening = asyncio.Semaphore(_OPENING)
        work = [_analyse(reader, app.url, clip, opening) for reader, clip in zip(readers, clips, strict=False)]
        work += [_browse(reader, app.url, opening) for reader in readers[len(clips) :]]
        await asyncio.gather(*(_surviving(reader, one) for reader, one in zip(readers, work, strict=True)))
        await asyncio.gather(*(reader.leave() for reader in readers))
        await browser.close()


async def _launched(playwright: Any) -> Browser:
    options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--renderer-process-limit=16"]
    browser: Browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
    return browser


async def _opened(browser: Browser, seen: _Seen) -> _Reader:
    context = await browser.new_context(
        locale="en-US", viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(_LONGEST_WAIT_MS)
    return _Reader(await context.new_page(), seen)


async def _surviving(reader: _Reader, work: Awaitable[None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whatever ends a session is counted, and the others continue
        await reader.fail(error)


async def _open(reader: _Reader, url: str) -> None:
    await reader.act("open the page", reader.page.goto(url), reader.page.locator("button.choose:not(:empty)"))


async def _analyse(reader: _Reader, url: str, clip: Path, opening: asyncio.Semaphore) -> None:
    """Upload a video, start its analysis and wait for the report."""
    page = reader.page
    async with opening:
        await _open(reader, url)
    start = page.get_by_role("button", name=t("ui.start", "en"), exact=True)
    await reader.act("upload a video", _upload(page, clip), start)
    await reader.act("start its analysis", _start(page, start), page.get_by_test_id("stMain"))
    waited = "wait for the report, with the queue"
    await reader.act(waited, asyncio.sleep(0), page.locator(_REPORT), longest_ms=_LONGEST_QUEUE_MS)


async def _upload(page: Page, clip: Path) -> None:
    await page.locator("input[type=file]").set_input_files(clip)
    video = page.locator("video")
    await video.wait_for()
    await page.wait_for_function("video => video.readyState >= 2", arg=await video.element_handle())


async def _start(page: Page, start: Locator) -> None:
    await start.click()
    await expect(page).to_have_url(re.compile("[?&]job="), timeout=_LONGEST_WAIT_MS)


async def _browse(reader: _Reader, url: str, opening: asyncio.Semaphore) -> None:
    """Find a finished report in the library, read it in both languages, and save it."""
    page, main = reader.page, reader.page.get_by_test_id("stMain")
    async with opening:
        await _open(reader, url)
    library = page.get_by_role("link", name=t("ui.page_library", "en")).first
    search = page.get_by_role("searchbox", name=t("library.search", "en"))
    await reader.act("open the library", library.click(), search)
    found = main.get_by_role("button", name=_SEED, exact=True)
    await reader.act("search in it", _search(search), found)
    save = page.get_by_role("button", name=t("ui.save", "en"))
    await reader.act("open a report", found.click(), save)
    await reader.act("download it", _download(page, save), save)
    chinese = page.get_by_role("button", name=t("ui.save", "zh"))
    await reader.act("change the language", _choose_language(page, t("language.zh", "en")), chinese)
    await reader.act("change the language", _choose_language(page, t("language.en", "en")), save)


async def _choose_language(page: Page, name: str) -> None:
    """Choose a language in the menu, and close the menu."""
    await page.locator(".st-key-menu_open button:visible").first.click()
    await page.get_by_test_id("stPopoverBody").get_by_text(name, exact=True).click()
    await page.keyboard.press("Escape")


async def _search(search: Locator) -> None:
    await expect(search).to_have_count(1, timeout=_LONGEST_WAIT_MS)  # the previous run's search may still be there
    await search.fill("finished-before")


async def _download(page: Page, save: Locator) -> None:
    await save.click()
    async with page.expect_download() as download:
        await page.get_by_role("button", name=t("ui.download_html", "en"), exact=True).click()
    path = await (await download.value).path()
    assert "</html>" in path.read_text(encoding="utf-8")
    await page.keyboard.press("Escape")
