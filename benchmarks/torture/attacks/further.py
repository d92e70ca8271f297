"""Attacks that take more than requests: addresses of webhooks, names in a terminal, the tools of an assistant with a
root, two apps on one data folder, and exports of one user at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import SECRET, Site
from framelens.composition import SAMPLE
from framelens.core.roles import as_user
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.files import sha256_of

_INTERNAL = (
    *("127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "169.254.169.254", "10.0.0.1"),
    *("192.0.0.8", "100.64.0.1", "user@127.0.0.1", "[::1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[fd00::1]", "[::]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fec0::1]", "[fe80::1]"),
)
_NAMES = ("\x1b]0;taken\x07.mp4", "\x9b31mred.mp4", "\x1b[2Jgone.mp4", "a\u202egnp.mp4", "\x1bPq\x1b\\.mp4")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_COMMANDS = (("library",), ("library", "show", "latest"), ("admin", "audit"), ("library", "search", "mp4"))
_ROOT = Path(__file__).parents[3]
_EXPORTS = 24
_AT_A_TIME = 2
"""Documents that are written at a time (framelens/api/exports.py)."""


def addresses(site: Site) -> Line:
    """Webhooks of an analyst to this machine and its network, in every spelling."""
    count = lost = 0
    with site.client(Authorization=f"Bearer {site.api['ann']}") as ann:
        for host in _INTERNAL:
            for scheme in ("http", "https"):
                answer = ann.post("/api/v1/webhooks", json={"url": f"{scheme}://{host}/hook"})
                count, lost = count + 1, lost + (answer.status_code < 400)
    return Line("webhooks to addresses that are not of the internet", count, lost)


def terminal(site: Site) -> Line:
    """Names with control characters, as every command that lists them prints them."""
    count = lost = 0
    with site.client(Authorization=f"Bearer {site.api['ann']}") as ann:
        for name in _NAMES:
            asked = {"source": {"type": "upload", "id": site.ids["video"]}, "name": name, "use_model": False}
            ann.post("/api/v1/jobs", json={**asked, "force": True}).raise_for_status()
    for words in _COMMANDS:
        said = _command(site, *words)
        count, lost = count + 1, lost + bool(_CONTROL.search(said))
    return Line("control characters in a terminal", count, lost)


def tools(site: Site) -> Line:
    """Reports about videos outside of the root of `framelens mcp`, listed, searched and read through its tools."""
    root = site.input_folder / "root"
    root.mkdir()
    job, video = site.ids["job"], str(next((site.database.parent / "videos").glob(f"*/{SECRET}.mp4")))
    sha256 = sha256_of(Path(video))
    calls: list[tuple[str, dict[str, Any]]] = [("list", {}), ("search", {"words": SECRET})]
    calls += [(name, {"video": one}) for name in ("report", "transcript", "look") for one in (job, video)]
    lost = 0
    for one in (root, site.input_folder):  # that contains the data folder, which is never read
        for call, result in zip(calls, _answers(site, one, calls), strict=True):
            lost += sha256 in result or (SECRET in result and SECRET not in str(call))
    return Line("reports outside of the root of an assistant's tools", 2 * len(calls), lost)


def two_apps(site: Site) -> Line:
    """Bytes for an upload that another process on the same data folder is writing."""
    count = lost = 0
    session = site.logins.session(site.cookies["ann"])
    assert session
    videos = VideoRepository(site.database.parent, (), SAMPLE)
    with site.client(Authorization=f"Bearer {site.api['ann']}") as ann, as_user(session.user):
        for _ in range(5):
            made = ann.post("/api/v1/uploads", json={"name": "shared.mp4", "size_bytes": 8}).raise_for_status().json()
            with videos.part(made["id"], 0) as part:
                part.write(b"1234")
                headers = {"Content-Type": "application/octet-stream", "Upload-Offset": "4"}
                answer = ann.patch(f"/api/v1/uploads/{made['id']}", content=b"abcd", headers=headers)
                count, lost = count + 1, lost + (answer.status_code < 400)
            count, lost = count + 1, lost + (videos.upload(made["id"]).offset != 4)
    return Line("uploads that two apps write to", count, lost)


def exports_at_once(site: Site, scale: Scale) -> Line:
    """Documents that a user has written at once, while another user wants a document."""
    count, most = scale.count(_EXPORTS), 0
    place = f"/api/v1/jobs/{site.ids['job']}/reports/pdf"
    with (
        site.client(Authorization=f"Bearer {site.api['ann']}") as ann,
        site.client("ada") as ada,
        ThreadPoolExecutor(count) as threads,
    ):
        asked = [threads.submit(lambda: ann.get(place).status_code) for _ in range(count)]
        other = threads.submit(lambda: ada.get(f"/api/jobs/{site.ids['job']}/exports/pdf").status_code)
        while not all(one.done() for one in (*asked, other)):
            most = max(most, _num_writers(site))
        statuses = [one.result() for one in asked]
        crashed = sum(status not in (200, 429) for status in statuses) + (other.result() != 200)
    return Line("documents of one user at once", count + 1, max(0, most - _AT_A_TIME), crashed, f"{most} at a time")


def _num_writers(site: Site) -> int:
    """Return how many processes of the app write documents."""
    found = 0
    for one in psutil.Process(site.pid).children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            found += "framelens.reports.document_worker" in one.cmdline()
    return found


_START = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "attack", "version": "1"}}


def _answers(site: Site, root: Path, calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return what the tools answer to each call, as JSON."""
    asked: list[dict[str, Any]] = [{"id": 0, "method": "initialize", "params": _START}]
    asked.append({"method": "notifications/initialized"})
    for number, (name, given) in enumerate(calls, 1):
        asked.append({"id": number, "method": "tools/call", "params": {"name": name, "arguments": given}})
    command = [sys.executable, "-m", "framelens.cli.main", "mcp", "--root", str(root)]
    with subprocess.Popen(
        command, env=_environment(site), cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        server.stdin.writelines(f"{json.dumps({'jsonrpc': '2.0', **one})}\n" for one in asked)
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(len(calls) + 1)]
    results = {one["id"]: json.dumps(one["result"]) for one in answers}
    return [results[number] for number in range(1, len(calls) + 1)]


def _command(site: Site, *words: str) -> str:
    """Return what a command of the machine's owner prints."""
    command = [sys.executable, "-m", "framelens.cli.main", *words]
    done = subprocess.run(
        command, env=_environment(site), cwd=_ROOT, capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout + done.stderr


def _environment(site: Site) -> dict[str, str]:
    return {**os.environ, "FRAMELENS_DATA_DIR": str(site.database.parent), "FRAMELENS_LANGUAGE": "en"}
