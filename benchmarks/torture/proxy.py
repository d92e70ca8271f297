"""Large uploads and server-sent events through nginx, as deploy/nginx.conf sets it up with HTTPS and accounts.

A video of three gigabytes is uploaded by the API, in one request, and by the page, in pieces. On the way nginx reloads
its configuration, is killed and starts again. The file must arrive as it was, and neither program may keep it in
memory, nor nginx on its disk. Events must arrive while their job waits; the engine is scripted and answers about one
part of a video at a time, when the previous event has arrived.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import httpx
import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import Site
from framelens.config import AccessSettings
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.logins import Logins
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.store.authentication import COOKIE
from framelens.store.database import Store
from tests.analysis.test_pipeline import answering_per_frame, marks_of
from tests.browser.conftest import CHROMIUM, App, running
from tests.cards import CARDS, write_card_video
from tests.llm.scripted import ONE_AT_A_TIME, serve
from tests.reverse_proxy import NAME, NGINX, ReverseProxy, free_port

_FULL_MIB = 3072
_BLOCK = 2**20
_MOST_MEGABYTES = 64.0
"""Growth of memory during an upload: buffers of a few connections take less, and a file of 3 GB more. Chosen by
hand."""
_LONGEST_WAIT = 30.0
_NEXT_TRY_SECONDS = 0.2
_MODEL = "scripted"
_BUFFERED = {"proxy_buffering         off": "proxy_buffering         on"}
_BINARY = {"Content-Type": "application/octet-stream"}


@dataclass
class _Deployment:
    """The app behind nginx, and what a user has to use both."""

    app: App
    proxy: ReverseProxy
    site: Site
    cookie: str
    steps: threading.Semaphore

    def api(self) -> httpx.Client:
        return self.site.client(Authorization=f"Bearer {self.site.api['ann']}")

    def restart_proxy(self) -> None:
        """Kill nginx, and start it again a second later."""
        self.proxy.kill()
        time.sleep(1)
        self.proxy.start()


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each way to upload, and for events with and without buffers in the proxy."""
    if NGINX is None:
        raise SystemExit("no nginx (apt-get install nginx-light)")
    with _deployed(scale.folder("proxy")) as made:
        film, digest = _large_video(scale.folder("proxy") / "large.mp4", scale.count(_FULL_MIB))
        yield _upload("by the API", made, film, digest, _by_api)
        if CHROMIUM.exists():
            _warm_up(made)
            yield _upload("by the page", made, film, digest, _by_page)
        film.unlink()
        yield _events("events through nginx", made, scale)
        made.proxy.configure(urlsplit(made.app.url).port or 0, changes=_BUFFERED)
        made.restart_proxy()
        yield _events("events through nginx that buffers", made, scale)


@contextmanager
def _deployed(folder: Path) -> Iterator[_Deployment]:
    steps = threading.Semaphore(0)

    def behave(body: dict[str, Any]) -> Iterator[Any]:
        if marks_of(body):
            steps.acquire(timeout=2 * _LONGEST_WAIT)
        yield from answering_per_frame(body)

    with ExitStack() as stack:
        engine = stack.enter_context(serve(behave, model=_MODEL, context=512, metrics=ONE_AT_A_TIME))
        network = json.dumps({"trusted_proxies": "127.0.0.1"})
        environ = {"FRAMELENS_BASE_URL": engine.base_url, "FRAMELENS_NETWORK": network}
        stack.enter_context(mock.patch.dict(os.environ, environ))
        store = stack.enter_context(closing(Store(folder / "data" / "framelens.sqlite")))
        user = Accounts(store).add("ann", "correct horse battery", "analyst")
        key = api_keys.create(ApiStore(store), "ann", per_minute=100_000, account_id=user.id)
        proxy = ReverseProxy(folder / "nginx", free_port())
        options = (f"--browser.serverAddress={NAME}", f"--browser.serverPort={proxy.port}")
        app = stack.enter_context(running("app/main.py", folder, *options, model=_MODEL))
        proxy.configure(urlsplit(app.url).port or 0)
        proxy.start()
        stack.callback(lambda: proxy.stop())
        logins = Logins(store, AccessSettings())
        cookie = logins.redeem(logins.ticket_for("ann", is_verified=True))
        yield _Deployment(app, proxy, Site(proxy.url, 0, {}, {}, api={"ann": key}), cookie, steps)


def _large_video(path: Path, mebibytes: int) -> tuple[Path, str]:
    """Write a short video, made long by a box without meaning, and return it with its SHA-256.

    No two blocks are the same, so that a lost, doubled or moved block changes the digest.
    """
    write_card_video(path, ["red", "blue"])
    filling = os.urandom(_BLOCK)
    with path.open("ab") as file:
        size = mebibytes * _BLOCK
        file.write((1).to_bytes(4, "big") + b"free" + (16 + size).to_bytes(8, "big"))
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big") + filling[8:])
    return path, _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- uploads


@dataclass
class _Watch:
    """The growth of the app's and nginx's memory in megabytes, and the bytes in nginx's files."""

    made: _Deployment
    app: float = 0.0
    nginx: float = 0.0
    bytes_on_disk: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until it is ended."""
        first = _megabytes(self.made.app.pid), self._of_nginx()
        while not self._ended.wait(0.1):
            self.app = max(self.app, _megabytes(self.made.app.pid) - first[0])
            self.nginx = max(self.nginx, self._of_nginx() - first[1])
            folders = ("body", "proxy")
            files = [one for name in folders for one in (self.made.proxy.folder / name).rglob("*") if one.is_file()]
            self.bytes_on_disk = max(self.bytes_on_disk, sum(one.stat().st_size for one in files if one.exists()))

    def _of_nginx(self) -> float:
        process = self.made.proxy.process
        try:
            return _megabytes(process.pid, with_children=True) if process else 0.0
        except psutil.NoSuchProcess:
            return 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self.watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()


def _megabytes(pid: int, *, with_children: bool = False) -> float:
    process = psutil.Process(pid)
    processes = [process, *process.children(recursive=True)] if with_children else [process]
    return sum(one.memory_info().rss for one in processes) / 2**20


def _upload(
    way: str, made: _Deployment, film: Path, digest: str, send: Callable[[_Deployment, Path], tuple[str, int]]
) -> Line:
    """Upload a film while nginx is reloaded and killed, and compare what arrived."""
    watch, began = _Watch(made), time.monotonic()
    with watch.watching():
        video_id, resumed = send(made, film)
    seconds = time.monotonic() - began
    folder = made.app.data_dir / "videos" / video_id
    arrived = [one for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []
    lost = int(len(arrived) != 1 or _digest(arrived[0]) != digest) + (watch.bytes_on_disk > 0)
    lost += (watch.app > _MOST_MEGABYTES) + (watch.nginx > _MOST_MEGABYTES)
    for one in arrived:
        one.unlink()
    size = film.stat().st_size / 2**20
    note = f"{size:.0f} MiB in {seconds:.0f} s, continued {resumed} times; app {watch.app:+.0f} MB, "
    note += f"nginx {watch.nginx:+.0f} MB and {watch.bytes_on_disk} bytes of files"
    return Line(f"upload through nginx, {way}", 1, lost, 0, note)


def _by_api(made: _Deployment, film: Path) -> tuple[str, int]:
    """Send the file in a request, and after each break the rest; return its id and the number of breaks."""
    size = film.stat().st_size
    events = [(size // 3, made.proxy.reload), (2 * size // 3, made.restart_proxy)]
    with made.api() as api:
        upload = api.post("/api/v1/uploads", json={"name": film.name, "size_bytes": size}).raise_for_status().json()
        address, offset, breaks = f"/api/v1/uploads/{upload['id']}", 0, -1
        while offset < size:
            breaks += 1
            headers = {**_BINARY, "Content-Length": str(size - offset)}
            try:
                api.patch(f"{address}?offset={offset}", content=_pieces(film, offset, events), headers=headers)
                offset = api.get(address).raise_for_status().json()["received_bytes"]
            except httpx.HTTPError:
                time.sleep(_NEXT_TRY_SECONDS)
                offset = _arrived(api, address)
    return str(upload["id"]), breaks


def _arrived(api: httpx.Client, address: str) -> int:
    end = time.monotonic() + _LONGEST_WAIT
    while True:
        try:
            return int(api.get(address).raise_for_status().json()["received_bytes"])
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(_NEXT_TRY_SECONDS)


def _pieces(film: Path, offset: int, events: list[tuple[int, Callable[[], None]]]) -> Iterator[bytes]:
    """Yield a file from an offset, and start each event once when its place is reached."""
    with film.open("rb") as file:
        file.seek(offset)
        while piece := file.read(_BLOCK):
            offset += len(piece)
            if events and offset >= events[0][0]:
                threading.Thread(target=events.pop(0)[1]).start()
            yield piece


@contextmanager
def _page(made: _Deployment) -> Iterator[Page]:
    """Open the page as a user who is logged in."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        context = browser.new_context(locale="en-US", ignore_https_errors=True)
        context.set_default_timeout(_LONGEST_WAIT * 1000)
        context.add_cookies([{"name": COOKIE, "value": made.cookie, "url": made.proxy.url, "secure": True}])
        page = context.new_page()
        page.goto(made.proxy.url)
        page.locator("button.choose:not(:empty)").wait_for()
        yield page
        browser.close()


def _warm_up(made: _Deployment) -> None:
    """Open the page and wait until the app has imported what its first page makes it import."""
    with _page(made) as page:
        before = 0.0
        while (now := _megabytes(made.app.pid)) - before > 1:
            before = now
            page.wait_for_timeout(3000)


def _by_page(made: _Deployment, film: Path) -> tuple[str, int]:
    """Choose the file on the page; return its id and how many of its pieces were sent again."""
    waiting, failed = [(33, made.proxy.reload), (66, made.restart_proxy)], list[str]()
    with _page(made) as page:
        page.on("requestfailed", lambda one: failed.append(one.url) if one.method == "PATCH" else None)
        page.locator("input[type=file]").set_input_files(film)
        while waiting:
            percent = next(iter(page.locator(".percent").all_inner_texts()), "100 %").removesuffix(" %")
            if percent.isdecimal() and int(percent) >= waiting[0][0]:
                waiting.pop(0)[1]()
            page.wait_for_timeout(50)
        video, trouble = page.locator("video"), page.locator(".trouble:not(:empty)")
        video.or_(trouble).first.wait_for(timeout=600_000)
        if said := trouble.all_inner_texts():
            raise RuntimeError(f"the upload waits for its user: {said}")
        video_id = page.url.partition("video=")[2].partition("&")[0]
    return video_id, len(failed)


# ---- events


class _Late(Exception):
    """An event didn't arrive while the job waited for what follows it."""


def _events(what: str, made: _Deployment, scale: Scale) -> Line:
    """Follow a job that waits before each part of its answer, through a proxy that is killed in the middle."""
    film = write_card_video(scale.folder("proxy") / f"{len(what)}.mp4", (list(CARDS) * 3)[:12])
    count = lost = 0
    with made.api() as api:
        size = film.stat().st_size
        upload = api.post("/api/v1/uploads", json={"name": film.name, "size_bytes": size}).raise_for_status().json()
        api.patch(f"/api/v1/uploads/{upload['id']}", content=film.read_bytes(), headers=_BINARY).raise_for_status()
        asked = {"source": {"type": "upload", "id": upload["id"]}, "frames": 12, "force": True}
        address = f"/api/v1/jobs/{api.post('/api/v1/jobs', json=asked).raise_for_status().json()['id']}/events"
        try:
            ids, is_over = _follow(api, address, "", made.steps, num_parts=3)
            made.restart_proxy()
            more, is_over = _follow(api, address, ids[-1], made.steps)
            count = len(ids) + len(more)
            lost = int(not is_over) + (ids[-1] in more) + (len(set(ids + more)) != count)
        except (_Late, httpx.HTTPError) as error:
            lost, what = lost + 1, f"{what}: {type(error).__name__} {error}"
    return Line(what, count, lost, 0, "each before the job continued, none twice after a new connection")


def _follow(
    api: httpx.Client, address: str, last: str, steps: threading.Semaphore, *, num_parts: int = 0
) -> tuple[list[str], bool]:
    """Read events, and let the job continue after each event that says which part it waits for.

    Args:
        last: The id of the last event that was read before; the job waits since then.
        num_parts: Stop when the job waits for so many parts.

    Returns:
        The ids of the events, and whether the last event says that the job is over.
    """
    ids, parts, is_over = list[str](), set[int](), False
    if last:
        steps.release()
    for event_id, job in _read(api, address, {"Last-Event-ID": last} if last else {}):
        ids.append(event_id)
        is_over = job["is_over"]
        if job["stage"] == "ask" and job["step"] not in parts:
            parts.add(job["step"])
            if len(parts) == num_parts:
                break
            steps.release()
    return ids, is_over


def _read(api: httpx.Client, address: str, headers: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the id and the job of each event. Raise _Late if the job waits, and the next event is late."""
    fields, end = dict[str, str](), float("inf")
    with api.stream("GET", address, headers=headers, timeout=_LONGEST_WAIT) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line and "data" in fields:
                job = json.loads(fields["data"])
                yield fields["id"], job
                fields, end = {}, time.monotonic() + _LONGEST_WAIT if job["stage"] == "ask" else float("inf")
            elif time.monotonic() > end:  # only comments, which keep the connection open
                raise _Late
