"""Starts the app as its users do and drives it with Debian's Chromium. Every request of every page is kept."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright
from playwright.sync_api import TimeoutError as SlowPage

from tests.cards import write_card_video
from tests.forked_workers import ForkedPopen
from tests.reverse_proxy import NAME

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
PADDING_BYTES = 20 * 2**20
# Ends the wait for what never comes; a busy machine may take long over what does.
LONGEST_WAIT_MS = 120_000
expect.set_options(timeout=LONGEST_WAIT_MS)


@dataclass
class App:
    """A running app: its address, its data, a file that a scripted analysis waits for, and its process."""

    url: str
    data_dir: Path
    go: Path
    pid: int = 0


@dataclass
class Visit:
    """A page in the browser with everything it asked for and complained of."""

    page: Page
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """Host and port of every address that was asked for; "" is the browser itself (data:, blob:)."""
        return {urlsplit(request.url).netloc for request in self.requests}

    @property
    def origins(self) -> set[str]:
        """Scheme, host and port of every website that was asked."""
        parts = (urlsplit(request.url) for request in self.requests)
        return {f"{one.scheme}://{one.netloc}" for one in parts if one.netloc}


@contextmanager
def running(
    script: str,
    folder: Path,
    *more_options: str,
    cwd: Path | None = None,
    model: str = "",
    reads_text: bool = True,
) -> Iterator[App]:
    """Serve a script on a port of its own until the block ends; unless a model is named, the model is missing.

    The app's Streamlit settings lie beside main.py; the scripts of the tests find them in the current folder.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = App(f"http://127.0.0.1:{port}/{_base_path(more_options)}", folder / "data", folder / "go")
    paths = ("" if reads_text else str(ROOT / "tests/no_text"), os.environ.get("PYTHONPATH"), str(ROOT))
    environ = os.environ | {
        "FRAMELENS_DATA_DIR": str(app.data_dir),
        "FAKE_GO": str(app.go),
        "VLLM_MODEL_PATH": model or str(folder / "no-model"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    options = ["--server.headless=true", f"--server.port={port}", *more_options]
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(ROOT / script), *options]
    with (folder / "server.log").open("wb") as log:
        process = ForkedPopen(command, cwd=cwd or ROOT / "app", env=environ, stdout=log, stderr=log)
        app.pid = process.pid
        try:
            _await_answer(app.url, process)
            yield app
        finally:
            process.terminate()
            process.wait(30)
    written = (folder / "server.log").read_text(errors="replace")
    if "Traceback" in written:
        pytest.fail(f"the server's log:\n{written}", pytrace=False)  # an assertion would cut it off


def _base_path(options: Sequence[str]) -> str:
    """Return the path below which the page is, "" or "name/"."""
    option = "--server.baseUrlPath="
    return next((f"{one.removeprefix(option).strip('/')}/" for one in options if one.startswith(option)), "")


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the app ended with {process.returncode} before it answered")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app itself, with no model to be found."""
    with running("app/main.py", tmp_path_factory.mktemp("app"), reads_text=False) as app:
        yield app


@pytest.fixture(scope="module")
def scripted_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same pages over a scripted analysis."""
    with running("tests/browser/fake_app.py", tmp_path_factory.mktemp("scripted")) as app:
        yield app


class OpenBrowser:
    """Chromium, with an English reader's profile, for all tests of pages in a row.

    They share what the browser compiled of the page: three seconds of the processor. It ends before another test: while
    Playwright runs, its event loop keeps asyncio's own tests from running.
    """

    _NAME = "open browser"

    def __init__(self, config: pytest.Config) -> None:
        self._stack = ExitStack()
        playwright = self._stack.enter_context(sync_playwright())
        self.browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[
                *("--no-sandbox", "--disable-gpu", "--no-first-run"),
                # Names of a website and of a reverse proxy that lead to this machine.
                f"--host-resolver-rules=MAP evil.example 127.0.0.1, MAP {NAME} 127.0.0.1",
            ],
        )
        self._stack.callback(self.browser.close)
        size = {"width": 1280, "height": 900}
        self.profile = self.browser.new_context(locale="en-US", viewport=size, ignore_https_errors=True)
        self.profile.set_default_timeout(LONGEST_WAIT_MS)
        config.pluginmanager.register(self, self._NAME)

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """Return the browser that is open, or open one."""
        return config.pluginmanager.get_plugin(cls._NAME) or cls(config)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if "browser" not in getattr(nextitem, "fixturenames", ()):
            item.config.pluginmanager.unregister(self)
            self._stack.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Browser:
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM} (apt-get install chromium, or set CHROMIUM)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return OpenBrowser.of(request.config).browser


_FAILED = pytest.StashKey[bool]()
IS_STILL = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    return app?.dataset.testConnectionState === "CONNECTED" && app.dataset.testScriptState === "notRunning"
        && !document.querySelector('[data-stale="true"]');
}"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture
def profile(browser: Browser, request: pytest.FixtureRequest) -> BrowserContext:
    return OpenBrowser.of(request.config).profile


@pytest.fixture
def visit(profile: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page, 1280 wide; the test goes where it wants to. If it fails, the page is printed. Nothing of it is kept."""
    made = Visit(profile.new_page())
    made.page.on("request", lambda asked: made.requests.append(asked))
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("console", lambda said: made.complaints.append(said.text) if _is_complaint(said) else None)
    yield made
    if request.node.stash.get(_FAILED, False):
        for page in profile.pages:
            print(page.url, page.locator("body").aria_snapshot(), *made.complaints, sep="\n")
            print("old elements:", page.locator('[data-stale="true"]').all_inner_texts())
    devtools = profile.new_cdp_session(made.page)
    for origin in made.origins:
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
    profile.clear_cookies()
    for page in profile.pages:
        page.close()


def wait_until_still(page: Page, shown: Locator) -> None:
    """Wait for an element, and until the page is connected and drawn: a press while it is being drawn may be lost."""
    shown.wait_for()
    page.wait_for_function(IS_STILL)


def choose_sample(page: Page, url: str) -> None:
    """Open the app and choose the sample when the page is still."""
    page.goto(url)
    press_sample(page)


def expect_report(page: Page) -> None:
    """Wait until a report is shown."""
    expect(page.locator(".st-key-report_menu")).to_be_visible()


def open_menu(page: Page) -> Locator:
    """The content of the menu at the top, once it is open."""
    body = page.locator('[data-testid="stPopoverBody"]').filter(has=page.locator('[class*="st-key-theme"]'))
    if not body.is_visible():
        page.locator(".st-key-menu_open button:visible").first.click()
    expect(body).to_be_visible()
    return body


def choose_language(page: Page, name: str) -> None:
    """Choose a language in the menu: 中文 or English."""
    open_menu(page).get_by_text(name, exact=True).click()
    page.keyboard.press("Escape")


def go_to(page: Page, name: str) -> None:
    """Open a page by its link in the menu."""
    open_menu(page).get_by_role("link", name=name).click()


def expect_user(page: Page, user: str) -> None:
    """Wait until the page belongs to this user: "ann · administrator"."""
    expect(page.get_by_role("link", name="Library").first).to_be_visible()
    expect(open_menu(page).get_by_text(user)).to_be_visible()
    page.keyboard.press("Escape")


def log_out(page: Page) -> None:
    """Log out in the menu, and wait until the session has ended."""
    out = open_menu(page).get_by_role("button", name="Log out")
    out.click()
    expect(out).to_have_count(0)


def open_details(page: Page, tab: str) -> None:
    """Unfold the details of a report at a tab; a run of the page may fold them again, and then once more."""
    shown = page.get_by_role("tab", name=tab)
    for _ in range(4):
        if shown.is_visible():
            break
        if not page.locator(".st-key-details details[open]").count():
            page.locator(".st-key-details summary").click()
        with suppress(SlowPage):
            shown.wait_for(timeout=10_000)
    shown.click()


def press_in_menu(page: Page, name: str) -> None:
    """Press a button in the menu of a report."""
    page.locator(".st-key-report_menu button:visible").first.click()
    page.get_by_role("button", name=name).click()


def press_sample(page: Page) -> None:
    """Press the button of the sample when the page is still."""
    sample = page.get_by_role("button", name="Try the sample video")
    wait_until_still(page, sample)
    sample.click()


def _is_complaint(said: ConsoleMessage) -> bool:
    """An error, but for the picture of an unnumbered frame: found on the way, it may be gone when it is asked for."""
    return said.type == "error" and not said.location.get("url", "").endswith("&n=0")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of cards, made longer than two pieces of an upload by a box of nothing, as MP4 allows."""
    path = write_card_video(
        tmp_path_factory.mktemp("clip") / '会议 "1" <b>.mp4',
        ["red", "green", "blue", "yellow", "black", "white"],
        width=320,
        height=240,
    )
    with path.open("ab") as file:
        file.write((PADDING_BYTES + 8).to_bytes(4, "big") + b"free" + bytes(PADDING_BYTES))
    return path
