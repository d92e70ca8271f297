"""Signal 9 to the app at random moments, while a client uploads videos in pieces and lets them be analysed.

After each kill the app is started again, the client continues where its connection broke, and the jobs that were
accepted continue by themselves, or when asked to after three kills without a new answer. What the app has acknowledged
must be there: bytes, jobs, answers, reports. App, API, store and queue are real; the engine is scripted.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any
from unittest import mock

import httpx
import psutil
import pytest

from benchmarks.endurance import differences, plain
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.tally import Tally, kill
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.store.database import Store
from tests.analysis.requests.test_orchestrator import asked, introducing, part_of
from tests.browser.conftest import running
from tests.cards import CARDS, write_card_video
from tests.llm.scripted import serve

_FULL = 100
_CLIPS = 4
"""Most videos of a client: one more than the kills, up to this number."""
_PIECES = 6
"""Of each upload."""
_ANSWER_SECONDS = 0.1
_LONGEST_SECONDS = 180.0
_POLL_SECONDS = 0.05
_MOST_LIVES = 4
"""Starts of the app for each kill, at most; the client may be done when its moment comes."""
_FRAMES = 16
_CONTEXT = 512
"""Holds a question about pictures, and not all frames."""
_KIND = {"Content-Type": "application/octet-stream"}
Part = tuple[str, int]
"""A job's question and the number of the first frame of a request."""


@dataclass
class _Client:
    """A user of the API, and what the app has acknowledged to them.

    Attributes:
        clips: What is uploaded and analysed; the name of a file is the question of its job.
        uploads: Ids of the uploads, by name.
        received: Bytes that have arrived, by name.
        jobs: Ids of the jobs, by name.
        reports: The reports of the jobs that are over, by name.
    """

    clips: Sequence[Path]
    tally: Tally
    uploads: dict[str, str] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)

    def work(self, api: httpx.Client) -> None:
        """Look at what was acknowledged, and continue until all reports are there. Raise if the app has gone."""
        self._check(api)
        for clip in self.clips:
            self._upload(api, clip)
            self._submit(api, clip.name)
        end = time.monotonic() + _LONGEST_SECONDS
        while len(self.reports) < len(self.clips):
            for name in self.jobs.keys() - self.reports.keys():
                self._read(api, name)
            if time.monotonic() > end:
                self.tally.crash(f"no report after {_LONGEST_SECONDS:.0f} s")
                return
            time.sleep(_POLL_SECONDS)

    def _check(self, api: httpx.Client) -> None:
        for name, upload in self.uploads.items():
            if name not in self.jobs and (arrived := _arrived(api, upload)) < self.received[name]:
                self.tally.lose(f"{self.received[name] - arrived} bytes of an upload")
        for job in self.jobs.values():
            found = api.get(f"jobs/{job}")
            if found.status_code != 200:
                self.tally.lose(f"an accepted job: {found.text[:200]}")
        for name, report in self.reports.items():
            found = api.get(f"jobs/{self.jobs[name]}/reports/json")
            if found.status_code != 200 or found.json() != report:
                self.tally.lose(f"a report: {found.text[:200]}")

    def _upload(self, api: httpx.Client, clip: Path) -> None:
        film, name = clip.read_bytes(), clip.name
        if name not in self.uploads:
            made = api.post("uploads", json={"name": name, "size_bytes": len(film)}).raise_for_status()
            self.uploads[name], self.received[name] = made.json()["id"], 0
        if name in self.jobs:
            return
        upload = self.uploads[name]
        arrived = _arrived(api, upload)
        while arrived < len(film):
            piece = film[arrived : arrived + 1 + len(film) // _PIECES]
            sent = api.patch(f"uploads/{upload}", params={"offset": arrived}, content=piece, headers=_KIND)
            self.received[name] = arrived = int(sent.raise_for_status().json()["received_bytes"])

    def _submit(self, api: httpx.Client, name: str) -> None:
        if name in self.jobs:
            return
        source = {"type": "upload", "id": self.uploads[name]}
        job = {"source": source, "question": name, "frames": _FRAMES, "strategy": "uniform", "language": "en"}
        self.jobs[name] = api.post("jobs", json=job).raise_for_status().json()["id"]

    def _read(self, api: httpx.Client, name: str) -> None:
        """Read the report of a job that is over; resume a job that FrameLens leaves to the user to resume."""
        job = api.get(f"jobs/{self.jobs[name]}").raise_for_status().json()
        if job["state"] == "interrupted":
            api.post(f"jobs/{self.jobs[name]}/resume").raise_for_status()
            self.tally.resumed += 1
        elif job["is_over"]:
            if job["state"] != "done":
                self.tally.lose(f"a job is {job['state']}: {job['error']}")
            self.reports[name] = api.get(f"jobs/{self.jobs[name]}/reports/json").raise_for_status().json()


def _arrived(api: httpx.Client, upload: str) -> int:
    return int(api.get(f"uploads/{upload}").raise_for_status().json()["received_bytes"])


@dataclass
class _Trial:
    """Lives of the app, each of which ends with a kill or with the last report.

    Attributes:
        server: The scripted engine.
        whole: Reports of an undisturbed life, by name.
        life_seconds: How long that took, from the app's first answer.
        folders: Number of data folders that were begun.
        num_kept: Answers that were there when the app was started again, over all lives.
    """

    scale: Scale
    clips: Sequence[Path]
    server: Any
    draw: random.Random
    tally: Tally = field(default_factory=Tally)
    whole: dict[str, Any] = field(default_factory=dict)
    life_seconds: float = 0.0
    folders: int = 0
    num_kept: int = 0

    def run(self, count: int) -> None:
        """Kill so many times, or less often if most lives end before."""
        self._live(self._client(), float("inf"))
        if self.tally.lost or self.tally.crashed:
            return
        client = self._client()
        for _ in range(_MOST_LIVES * count):
            if self.tally.count >= count:
                break
            if len(client.reports) == len(self.clips):
                client = self._client()
            self._live(client, self.draw.uniform(0, self.life_seconds))
        while len(client.reports) < len(self.clips) and not self.tally.crashed:
            self._live(client, float("inf"))

    def _client(self) -> _Client:
        self.folders += 1
        return _Client(self.clips, self.tally)

    @property
    def _folder(self) -> Path:
        return self.scale.folder(f"kills-app-{self.folders}")

    def _live(self, client: _Client, kill_after_seconds: float) -> None:
        """Start the app, let the client work, and kill the app after a time; then look at its files."""
        known, num_asked = self._answers(), len(asked(self.server))
        self.num_kept += len(known)
        family: list[psutil.Process] = []
        try:
            with running("app/main.py", self._folder, model="model") as app:
                key = self._key(app.data_dir)
                timer = Timer(min(kill_after_seconds, 3600), lambda: family.extend(_kill_app(app.pid)))
                timer.daemon = True
                headers = {"Authorization": f"Bearer {key}"}
                with httpx.Client(base_url=f"{app.url}api/v1/", headers=headers, timeout=60, trust_env=False) as api:
                    began = time.monotonic()
                    timer.start()
                    with suppress(httpx.TransportError):
                        client.work(api)
                    self.life_seconds = self.life_seconds or time.monotonic() - began
                    timer.cancel()
                    timer.join()
        except pytest.fail.Exception as error:  # a traceback in the app's log
            self.tally.crash(str(error)[-1500:])
        if family:
            self.tally.count += 1
            self.tally.again += len(client.reports) < len(self.clips)
            self.tally.gone(family[1:])
        self._check(client, known, num_asked)

    def _key(self, data: Path) -> str:
        """Return the API key of this folder, made in its first life."""
        path = self._folder / "key"
        if not path.exists():
            with closing(Store(data / "framelens.sqlite")) as store:
                path.write_text(api_keys.create(ApiStore(store), "kills", per_minute=100_000))
        return path.read_text()

    def _check(self, client: _Client, known: dict[Part, str], num_asked: int) -> None:
        with closing(sqlite3.connect(self._folder / "data" / "framelens.sqlite")) as store:
            if store.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                self.tally.lose("the store is not whole")
        kept = self._answers()
        if changed := [part for part, answer in known.items() if kept.get(part) != answer]:
            self.tally.lose(f"answers {changed}")
        again = [part for body in asked(self.server)[num_asked:] if (part := self._part(body)) in known]
        if again:
            self.tally.lose(f"asked again: {again}")
        if len(client.reports) < len(self.clips):
            return
        said = {name: plain(report) for name, report in client.reports.items()}
        self.whole = self.whole or said
        for line in differences(self.whole, said):
            self.tally.lose(f"another report: {line}")

    def _answers(self) -> dict[Part, str]:
        """Read the stored answers about parts."""
        query = "SELECT jobs.name, number, results.document FROM results JOIN jobs ON jobs.id = job_id WHERE number > 0"
        path = self._folder / "data" / "framelens.sqlite"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(path)) as store:
            return {(name, number): document for name, number, document in store.execute(query)}

    def _part(self, body: dict[str, Any]) -> Part:
        words = json.dumps(body["messages"])
        return next(clip.name for clip in self.clips if clip.name in words), part_of(body)


def _kill_app(pid: int) -> list[psutil.Process]:
    """Kill the app and return it with its descendants, or [] if it has ended."""
    with suppress(psutil.NoSuchProcess):
        app = psutil.Process(pid)
        return [app, *kill(app)]
    return []


def run(scale: Scale) -> Iterator[Line]:
    """Kill the app and yield the line of the table."""

    def slowly(body: dict[str, Any]) -> Iterator[str]:
        time.sleep(_ANSWER_SECONDS)
        yield from introducing(body)

    draw = random.Random(scale.seed)
    folder = scale.folder("kills-app-clips")
    clips = []
    for number in range(min(_CLIPS, 1 + scale.count(_FULL))):
        cards = draw.sample(list(CARDS), len(CARDS))
        clips.append(write_card_video(folder / f"film{number}.mp4", [*cards, *reversed(cards)]))
    with serve(slowly, context=_CONTEXT) as server, mock.patch.dict(os.environ, FRAMELENS_BASE_URL=server.base_url):
        trial = _Trial(scale, clips, server, draw)
        trial.run(scale.count(_FULL))
    yield trial.tally.line("SIGKILL to the app", f"{trial.folders} × {len(clips)} jobs, {trial.num_kept} answers kept")
