"""Disks that are full at any write, read-only or taken away, clocks that jump, and files that can't be opened.

The commands run against a scripted engine, with their data on a small file system in memory, which only root can mount.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.endurance import REPOSITORY, differences, said
from benchmarks.torture.line import Line, Scale
from tests.analysis.requests.test_orchestrator import introducing
from tests.jobs.working import CONTEXT
from tests.llm.scripted import ONE_AT_A_TIME, serve
from tests.media import cards, write_video

_DISK_BYTES = 48 << 20
_ANSWER_SECONDS = 0.15
"""So that there are moments at which the folder can be taken away."""
_STORAGE_ERROR = 5
_CLOCKS = ("-400d", "-1h", "+1h", "+400d")
_FAKETIME = "libfaketimeMT.so.1"


@dataclass(frozen=True)
class _Bench:
    """A disk with a data folder, a video, and the report of an undisturbed run."""

    disk: Path
    video: Path
    base_url: str
    undisturbed: Any = None
    kept: Path = Path()

    @property
    def data(self) -> Path:
        return self.disk / "data"

    @property
    def report(self) -> Path:
        return self.video.with_name("report.json")

    def run(self, *words: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of FrameLens and return how it ended."""
        process = self.start(*words, before=before, **variables)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def start(self, *words: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "FRAMELENS_DATA_DIR": str(self.data),
            "FRAMELENS_LANGUAGE": "en",
            "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests" / "no_text"))),
            **variables,
        }
        return subprocess.Popen(
            [*before, sys.executable, "-m", "framelens", *words],
            env=environment,
            cwd=self.video.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def analysis(self) -> tuple[str, ...]:
        """Return the words of the command that analyses the video."""
        shape = ("--frames", "16", "--strategy", "uniform", "--base-url", self.base_url)
        return ("analyse", str(self.video), *shape, "--output", str(self.report), "--overwrite")

    def fresh(self) -> None:
        """Delete the data folder and the report, and free the disk."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.report.unlink(missing_ok=True)
        fill(self.disk, None)

    def keep(self) -> None:
        """Keep a copy of the data folder and the report for `analysed`."""
        shutil.copytree(self.data, self.kept / "data")
        shutil.copy(self.report, self.kept)

    def analysed(self) -> None:
        """Put the data folder and the report back as the undisturbed run has left them, and free the disk."""
        self.fresh()
        shutil.copytree(self.kept / "data", self.data)
        shutil.copy(self.kept / self.report.name, self.report)

    def is_whole(self) -> bool:
        """Return whether the report equals an undisturbed run's, and the store is sound and has the job as done."""
        if not self.report.exists() or list(differences(self.undisturbed, said(self.report))):
            return False
        return self.is_sound() and self.states() == ["done"]

    def is_sound(self) -> bool:
        with closing(sqlite3.connect(self.data / "framelens.sqlite")) as store:
            return bool(store.execute("PRAGMA integrity_check").fetchone() == ("ok",))

    def states(self) -> list[str]:
        """Return the states of the analyses that are listed."""
        return [one["state"] for one in self.listed()]

    def listed(self) -> list[Mapping[str, Any]]:
        done = self.run("library", "list", "--json")
        return list(json.loads(done.stdout)["analyses"]) if done.returncode == 0 else []


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each fault."""
    if sys.platform != "linux" or os.geteuid():
        yield Line("full disks: not run, since only root can mount a small one", 0)
        return
    folder = scale.folder("disk")
    video = write_video(folder / "clip.mp4", cards(["red", "green", "blue", "white"] * 4, 10), rate=10)
    draw = random.Random(scale.seed)

    def slowly(body: dict[str, Any]) -> Iterator[str]:
        time.sleep(_ANSWER_SECONDS)
        yield from introducing(body)

    with small_disk(folder / "disk") as disk, serve(slowly, context=CONTEXT, metrics=ONE_AT_A_TIME) as server:
        first = _Bench(disk, video, server.base_url)
        done = first.run(*first.analysis)
        if done.returncode:
            raise RuntimeError(f"the undisturbed run failed: {done.stderr}")
        kept = (path for path in first.data.rglob("*") if path.name != "framelens.reserve")  # made where there is room
        needed = sum(path.stat().st_size for path in kept if path.is_file())
        bench = _Bench(disk, video, server.base_url, said(first.report), scale.folder("disk-kept"))
        bench.keep()
        yield _full_at_any_write(bench, [draw.randrange(needed * 2) for _ in range(scale.count(60))])
        yield _full_import(bench, [draw.randrange(1 << 20) for _ in range(scale.count(30))])
        yield _full_at_start(bench, scale.count(10))
        yield _read_only(bench)
        yield _deleted(bench, [draw.uniform(0.3, 5) for _ in range(scale.count(30))])
        yield _few_files(bench, range(6, 6 + scale.count(24)))
        yield _clock(bench, folder, scale.count(12), draw)


def fill(disk: Path, free_bytes: int | None) -> None:
    """Fill a disk but for some bytes; empty it for None."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    if free_bytes is not None:
        status = os.statvfs(disk)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - free_bytes)


def faketime() -> Path | None:
    """Return the library that gives a process another clock, or None if it isn't installed."""
    return next(Path("/usr/lib").glob(f"*/faketime/{_FAKETIME}"), None)


@contextmanager
def small_disk(folder: Path, num_bytes: int = _DISK_BYTES) -> Iterator[Path]:
    """Mount a file system in memory of this size."""
    folder.mkdir()
    options = f"size={num_bytes},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _is_rough(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command ended neither well nor with a sentence about the disk."""
    is_wrong = done.returncode not in (0, _STORAGE_ERROR) or "Traceback" in done.stderr
    if is_wrong:
        print(f"  {' '.join(done.args)[:60]}: {done.returncode} {done.stderr.strip()[-400:]}", flush=True)
    return is_wrong


def _full_at_any_write(bench: _Bench, free: list[int]) -> Line:
    lost = crashed = refused = 0
    for free_bytes in free:
        bench.fresh()
        fill(bench.disk, free_bytes)
        done = bench.run(*bench.analysis)
        refused += done.returncode != 0
        crashed += _is_rough(done)
        fill(bench.disk, None)
        again = bench.run(*bench.analysis)
        if again.returncode or not bench.is_whole():
            lost += 1
            print(f"  {free_bytes} bytes free: {again.stderr.strip()[-400:]}", flush=True)
    return Line("disk full at some write of an analysis, then freed", len(free), lost, crashed, f"{refused} refused")


def _full_import(bench: _Bench, free: list[int]) -> Line:
    lost = crashed = refused = 0
    for free_bytes in free:
        bench.analysed()
        shutil.rmtree(bench.data)
        fill(bench.disk, free_bytes)
        done = bench.run("library", "import", str(bench.report))
        refused += done.returncode != 0
        crashed += _is_rough(done)
        fill(bench.disk, None)
        lost += bench.run("library", "import", str(bench.report)).returncode != 0 or bench.states() != ["done"]
    return Line("disk full at some write of an import, then freed", len(free), lost, crashed, f"{refused} refused")


def _full_at_start(bench: _Bench, count: int) -> Line:
    lost = crashed = 0
    for _ in range(count):
        bench.analysed()
        fill(bench.disk, 0)
        (known,) = bench.listed() or [{}]
        lost += not known
        deleted = bench.run("library", "delete", str(known.get("id")), "--yes")
        crashed += _is_rough(deleted)
        lost += bool(deleted.returncode or bench.listed())
    return Line("disk full at the start: listed, deleted", count, lost, crashed)


def _read_only(bench: _Bench) -> Line:
    bench.analysed()
    commands = (bench.analysis, ("library",), ("keyframes", str(bench.video)), ("doctor",), ("export", "latest"))
    subprocess.run(["mount", "-o", "remount,ro", str(bench.disk)], check=True)
    try:
        ended = [bench.run(*words) for words in commands]
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(bench.disk)], check=True)
    # `doctor` says what it has found by another exit code.
    crashed = sum(_is_rough(done) for done in ended if done.args[0] != "doctor")
    return Line("read-only data folder", len(commands), 0 if bench.is_whole() else 1, crashed)


def _deleted(bench: _Bench, moments: list[float]) -> Line:
    """Delete the data folder while a job runs: it must not say that it is done unless it can be found afterwards."""
    lost = crashed = refused = 0
    for seconds in moments:
        bench.fresh()
        process = bench.start(*bench.analysis)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        has_ended = bench.report.exists()  # it may still be about to end
        shutil.rmtree(bench.data, ignore_errors=True)
        output, errors = process.communicate()
        done = subprocess.CompletedProcess(bench.analysis, process.returncode, output, errors)
        crashed += _is_rough(done)
        refused += done.returncode != 0
        lost += done.returncode == 0 and not has_ended and not bench.is_whole()
    return Line("data folder deleted while a job runs", len(moments), lost, crashed, f"{refused} refused")


def _few_files(bench: _Bench, limits: range) -> Line:
    lost = crashed = refused = 0
    for limit in limits:
        bench.fresh()
        done = bench.run(*bench.analysis, before=("prlimit", f"--nofile={limit}"))
        refused += done.returncode != 0
        # With fewer than some ten files Python itself doesn't start.
        crashed += done.returncode not in (0, 1, _STORAGE_ERROR) or (
            "Traceback" in done.stderr and "app/" in done.stderr
        )
        lost += bench.run(*bench.analysis).returncode != 0 or not bench.is_whole()
    name = f"{limits.start} to {limits.stop - 1} open files at most"
    return Line(name, len(limits), lost, crashed, f"{refused} refused")


def _clock(bench: _Bench, folder: Path, count: int, draw: random.Random) -> Line:
    """Let the clock jump during an analysis, and read the store with the right clock afterwards."""
    if (found := faketime()) is None:
        return Line("jumps of the clock: not run, since libfaketime isn't installed", 0)
    lost = crashed = 0
    for _ in range(count):
        bench.fresh()
        clock = folder / "clock"
        clock.write_text("+0")
        variables = {"LD_PRELOAD": str(found), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
        process = bench.start(*bench.analysis, **variables, DONT_FAKE_MONOTONIC="1")
        with suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.3, 4))
        clock.write_text(draw.choice(_CLOCKS))
        output, errors = process.communicate()
        crashed += _is_rough(subprocess.CompletedProcess(bench.analysis, process.returncode, output, errors))
        lost += process.returncode != 0 or not bench.is_whole()
    return Line("clock jumps by an hour or 400 days during a job", count, lost, crashed)
