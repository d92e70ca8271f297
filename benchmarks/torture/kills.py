"""Signal 9 at random moments to an analysis, its decoder, its reader of text and its engine; Ctrl-C at the start.

After each kill the store must be sound, what was answered and measured must be there and not be asked or measured
again, no process may be left, and the same command must come to the report of an undisturbed run. The commands,
processes and signals are real; the engine is scripted, except in some kills of the real vLLM.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.endurance import REPOSITORY, differences, said, stored
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.observed import make_engine
from benchmarks.torture.tally import Tally, kill, words_of
from tests.analysis.requests.test_orchestrator import asked, introducing, part_of
from tests.cards import CARDS, write_card_video
from tests.jobs.working import CONTEXT
from tests.llm.scripted import serve

_FULL = 100
_FULL_REAL_ENGINES = 5
"""Each start of vLLM takes half a minute."""
_ANSWER_SECONDS = 0.1
_IN_FLIGHT = 4  # of an engine that doesn't report its cache
_LONGEST_SECONDS = 180.0
"""A command that takes longer hangs; undisturbed it takes some seconds, with the real engine a minute."""
_POLL_SECONDS = 0.01
_MOST_JOBS = 4
"""For each kill, at most; a process may have ended when its moment comes."""
_MODEL = REPOSITORY / "tests" / "fixtures" / "tiny-vl"
_REAL = {"enforce_eager": True, "max_model_len": 4096, "dtype": "float32", "limit_mm_per_prompt": {"image": 8}}
Find = Callable[[psutil.Process], psutil.Process | None]


def _descendant(words: str, besides: str = "\0") -> Find:
    """Return a function that finds a process's descendant whose command has the words, and not `besides`."""

    def find(process: psutil.Process) -> psutil.Process | None:
        found = (one for one in process.children(recursive=True) if words in words_of(one))
        return next((one for one in found if besides not in words_of(one)), None)

    return find


_PROCESSES: dict[str, Find] = {
    "the process of an analysis": lambda one: one,
    "its decoder worker": _descendant("framelens.video.worker"),
    "its reader of text": _descendant("features.text_recognition"),
}
_SAID = {"its decoder worker": "facts_incomplete", "its reader of text": "text_reading_ended"}
"""Notices by which a report says, after a process was killed, that facts or texts are missing."""
_ENGINE_NOTICE = "engine_restarted"
_ENGINE = _descendant("vllm.entrypoints", "process_supervisor")


@dataclass
class _Job:
    """An analysis in a folder of its own, as a command that may be started many times.

    Attributes:
        folder: Its folder, with the data folder, the report, and what it has noted (observed.py).
        command: The arguments of FrameLens.
        variables: Its environment beside this process's own.
        parts: Lists the numbers of the parts that the engine was asked about, in order.
    """

    folder: Path
    command: tuple[str, ...]
    variables: dict[str, str]
    parts: Callable[[], list[int]]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def report(self) -> Path:
        return self.folder / "out" / "report.json"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command."""
        self.report.parent.mkdir(parents=True, exist_ok=True)
        program = [sys.executable, "-m", "benchmarks.torture.observed", str(self.folder / "noted")]
        environment = {**os.environ, "FRAMELENS_DATA_DIR": str(self.data)}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [*program, *self.command, "--language", "en", "--output", str(self.report), "--overwrite"],
                cwd=REPOSITORY,
                env={**environment, **self.variables},
                stdout=log,
                stderr=log,
            )

    def noted(self) -> list[str]:
        """Return what the command has noted in all its runs."""
        path = self.folder / "noted"
        return path.read_text().splitlines() if path.exists() else []

    def is_sound(self) -> bool:
        """Return whether the store opens and is whole, and so is a report."""
        if self.report.exists():
            json.loads(self.report.read_bytes())
        path = self.data / "framelens.sqlite"
        if not path.exists():
            return True
        with closing(sqlite3.connect(path)) as store:
            return bool(store.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@dataclass
class _Trial:
    """Kills of a kind: a job as often as needed, begun again after each kill until it ends.

    Attributes:
        fresh: Makes a new job.
        whole: The report of an undisturbed run.
        life_seconds: How long the process to kill lived in it.
        find: Finds that process among the command's processes.
        notice: Key of the notice by which a report may say what is missing after such a kill.
    """

    fresh: Callable[[], _Job]
    whole: Any
    life_seconds: float
    find: Find
    draw: random.Random
    notice: str = ""
    tally: Tally = field(default_factory=Tally)

    def run(self, count: int) -> Tally:
        """Kill so many times, or less often if most commands end before they can be killed."""
        for _ in range(_MOST_JOBS * count):
            if self.tally.count >= count:
                break
            job = self.fresh()
            while not self._once(job, count):
                self.tally.again += 1
            shutil.rmtree(job.folder, ignore_errors=True)
        return self.tally

    def _once(self, job: _Job, most: int) -> bool:
        """Run the command, kill once at a random moment unless it ends before, and return whether the job is done."""
        known, asked_before = set(stored(job.data)), len(job.parts())
        noted_before = len(job.noted())
        process = job.start()
        if self.tally.count < most:
            self._kill(process)
        try:
            status = process.wait(_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            self.tally.crash(f"it hangs: {job.log.read_text()[-400:]}")
            process.kill()
            status = process.wait()
        self._check(job, status, known, asked_before, noted_before)
        if status == 0:
            expected, found = self.whole, said(job.report)
            if self.notice in [one["key"] for one in found["notices"]]:
                self.tally.said += 1
                expected, found = (_without_said(one, self.notice) for one in (expected, found))
            if lines := list(differences(expected, found)):
                self.tally.lose(f"another report: {lines[0]}")
        return status == 0

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill at a random moment from the first appearance of the process, or at its next appearance after that."""
        moment = float("inf")
        while process.poll() is None:
            with suppress(psutil.Error):
                target = self.find(psutil.Process(process.pid))
                if target and moment == float("inf"):
                    moment = time.monotonic() + self.draw.uniform(0, self.life_seconds)
                if target and time.monotonic() >= moment:
                    self.tally.gone(kill(target))
                    self.tally.count += 1
                    return
            time.sleep(_POLL_SECONDS)

    def _check(self, job: _Job, status: int, known: set[int], asked_before: int, noted_before: int) -> None:
        log = job.log.read_text(errors="replace")
        if "Traceback" in log or status not in (0, 3, 4, -signal.SIGKILL):
            self.tally.crash(f"ended with {status}: {log[-400:]}")
        try:
            is_sound = job.is_sound()
        except (ValueError, sqlite3.Error) as error:
            is_sound = False
            self.tally.lose(f"{error}")
        if not is_sound:
            self.tally.lose("the store or a report is not whole")
        if missing := known - set(stored(job.data)):
            self.tally.lose(f"answers to parts {missing}")
        if twice := known & set(job.parts()[asked_before:]):
            self.tally.lose(f"parts {twice} were asked again")
        noted = job.noted()
        before, after = noted[:noted_before], noted[noted_before:]
        kept = max((int(one.split()[1]) for one in before if one.startswith("kept ")), default=0)
        if "chosen" in before and "survey" in after:
            self.tally.lose("a video with chosen frames was surveyed again")
        if again := [one for one in after if one.startswith("measured ") and int(one.split()[1]) <= kept]:
            self.tally.lose(f"{kept} facts were kept, but {again[0]} again")


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of process."""
    video = write_card_video(scale.folder("kills") / "clip.mp4", [*CARDS, *reversed(CARDS)])
    yield from kills_of_analyses(scale, video)
    yield from kills_of_engines(scale, video)
    yield from interrupts(scale, video)


def kills_of_analyses(scale: Scale, video: Path) -> Iterator[Line]:
    """Kill the command, its decoder worker and its reader of text, with a scripted engine in this process."""
    draw = random.Random(scale.seed)

    def slowly(body: dict[str, Any]) -> Iterator[str]:
        time.sleep(_ANSWER_SECONDS)
        yield from introducing(body)

    with serve(slowly, context=CONTEXT) as server:
        command = ("analyse", str(video), "--frames", "16", "--strategy", "uniform", "--base-url", server.base_url)
        fresh = _factory(scale, "analysis", command, {}, lambda: [part_of(body) for body in asked(server)])
        whole, lives = _undisturbed(fresh(), _PROCESSES.values())
        for name, find in _PROCESSES.items():
            trial = _Trial(fresh, whole, lives[find], find, draw, _SAID.get(name, ""))
            yield trial.run(scale.count(_FULL)).line(f"SIGKILL to {name}")


def kills_of_engines(scale: Scale, video: Path) -> Iterator[Line]:
    """Kill the engine that FrameLens started: mostly a scripted engine, sometimes the real vLLM."""
    draw = random.Random(scale.seed)
    folder = scale.folder("kills-engine")
    make_engine(folder, requests := folder / "requests", _ANSWER_SECONDS)
    requests.touch()
    command = ("analyse", str(video), "--frames", "16", "--strategy", "uniform", "--model", str(_MODEL))
    path = os.pathsep.join(filter(None, (str(folder), str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    variables = {"PYTHONPATH": path, "VLLM_CONFIG": json.dumps({"max_model_len": CONTEXT})}
    fresh = _factory(scale, "engine", command, variables, lambda: [int(one) for one in requests.read_text().split()])
    whole, lives = _undisturbed(fresh(), [_ENGINE])
    yield (
        _Trial(fresh, whole, lives[_ENGINE], _ENGINE, draw, _ENGINE_NOTICE)
        .run(scale.count(_FULL))
        .line("SIGKILL to its engine, scripted")
    )
    if count := round(_FULL_REAL_ENGINES * scale.share):
        more = {"VLLM_CONFIG": json.dumps(_REAL), "VLLM_CPU_KVCACHE_SPACE": "1", "FRAMELENS_ANSWER_TOKENS": "64"}
        fresh = _factory(scale, "vllm", command, more, list)
        whole, lives = _undisturbed(fresh(), [_ENGINE])
        yield (
            _Trial(fresh, whole, lives[_ENGINE], _ENGINE, draw, _ENGINE_NOTICE)
            .run(count)
            .line("SIGKILL to its engine, the real vLLM")
        )


def _factory(
    scale: Scale, name: str, command: tuple[str, ...], variables: dict[str, str], parts: Callable[[], list[int]]
) -> Callable[[], _Job]:
    """Return a function that makes jobs, each in a folder of its own."""
    made = 0

    def fresh() -> _Job:
        nonlocal made
        made += 1
        return _Job(scale.folder(f"kills-{name}-{made}"), command, variables, parts)

    return fresh


def _undisturbed(job: _Job, finds: Collection[Find]) -> tuple[Any, dict[Find, float]]:
    """Run a job to its end, and return its report and how long each process to kill lived. Raise if it fails."""
    process = job.start()
    first, last = dict[Find, float](), dict[Find, float]()
    while process.poll() is None:
        for find in finds:
            with suppress(psutil.Error):
                if find(psutil.Process(process.pid)):
                    last[find] = time.monotonic()
                    first.setdefault(find, last[find])
        time.sleep(_POLL_SECONDS)
    if process.returncode or len(first) < len(finds):
        raise RuntimeError(f"framelens analyse ended with {process.returncode}:\n{job.log.read_text()}")
    return said(job.report), {find: last[find] - first[find] for find in finds}


def _without_said(report: Any, notice: str) -> Any:
    """Return a report without notices, and without the facts that the notice says are missing."""
    if notice == _ENGINE_NOTICE:
        return {**report, "notices": []}
    frames = [{key: one[key] for key in one if key != "facts"} for one in report["keyframes"]]
    return {**report, "notices": [], "keyframes": frames}


def interrupts(scale: Scale, video: Path) -> Iterator[Line]:
    """Press Ctrl-C in the first second of commands; the engine that they ask never answers."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else the commands ignore it, too
    draw, folder, count = random.Random(scale.seed), scale.folder("interrupts"), scale.count(_FULL)
    crashed, slowest, ends = 0, 0.0, Counter[str]()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shape = ("--frames", "8", "--base-url", f"http://127.0.0.1:{silent.getsockname()[1]}/v1", "--language", "en")
        commands = (
            ("analyse", str(video), *shape),
            ("keyframes", str(video), "--output", str(folder / "frames")),
            ("batch", str(video), *shape, "--output", str(folder / "batch")),
            ("ask", str(video), "what is shown?", *shape),
            ("doctor",),
            ("library",),
        )
        for number in range(count):
            command = commands[number % len(commands)]
            end, said, seconds = _interrupted(command, folder / "data", draw.uniform(0, 1))
            slowest = max(slowest, seconds)
            ends[end] += 1
            if end == "crashed":
                crashed += 1
                print(f"  {command[0]}: {said[-1500:]}", flush=True)
    note = (
        f"{ends['stopped']} with 130, {ends['ended']} had ended, {ends['early']} ended by Python before FrameLens ran"
    )
    yield Line("SIGINT in the first second", count, 0, crashed, f"{note}, slowest end {slowest:.1f} s")


def _interrupted(command: Sequence[str], data: Path, after_seconds: float) -> tuple[str, str, float]:
    """Interrupt a command, and return how it ended, its standard error, and the seconds that this took."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("framelens"), *command],
        cwd=data.parent,  # where a command that ends before its moment leaves its report
        env={**os.environ, "FRAMELENS_DATA_DIR": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_seconds)
    has_ended = process.poll() is not None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    try:
        _, errors = process.communicate(timeout=_LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    seconds = time.monotonic() - began
    has_traceback = "Traceback" in errors
    if has_traceback and str(REPOSITORY / "framelens") in errors:
        return "crashed", errors, seconds
    if process.returncode == -signal.SIGINT or has_traceback:  # Python itself, or the script that an installer wrote
        return "early", errors, seconds
    if process.returncode == 0 or has_ended:
        return "ended", errors, seconds
    return "stopped" if process.returncode == 130 else "crashed", errors, seconds
