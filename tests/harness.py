"""From files to what becomes of them in the decoding child: answered or refused, in what time and with what memory.

Starting a child costs half a second, so a few live on and do file after file, under the child's own limit of memory; a
child that crashes or hangs costs its file and is replaced. Run as a program, this module is such a worker.
"""

import faulthandler
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from framelens.core.child_environment import limit_memory
from framelens.core.codec import from_json, to_json
from framelens.core.domain import Keyframe, Selection
from framelens.core.errors import AppError
from framelens.core.events import KeyframeFound, KeyframesChosen, Probed
from framelens.i18n import LANGUAGES, error_text, notice_text
from framelens.video import limits
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.readers import damage
from framelens.video.worker import events_of

_REPOSITORY = Path(__file__).resolve().parents[1]
_WHOLE = Selection()
_LARGE_MEGABYTES = 250
_TIMES_IN_DISORDER = "frame_not_there"
"""Where packets changed places, a frame's time depends on the other decoded frames: then it is not found."""
_MOST_APART = 24.0
"""Levels of 256, on average: two codings of a picture differ by less, two moments of a moving picture by more."""


@dataclass(frozen=True)
class Job:
    """A file and how keyframes are to be chosen from it."""

    path: Path
    selection: Selection = _WHOLE
    frames: int = 6


@dataclass(frozen=True)
class Outcome:
    """`error` is the key of the AppError, "crashed" or "hung"; None for an answer. `faults` are broken promises."""

    error: str | None
    seconds: float
    peak_megabytes: float = 0.0
    times_seconds: tuple[float, ...] = ()
    frames_decoded: int = 0
    faults: tuple[str, ...] = ()


class Worker:
    """A process that does jobs; replaced when a job ends it."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def do(self, job: Job) -> Outcome:
        began, is_late = time.monotonic(), threading.Event()
        process = self._process

        def give_up() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(self._limit, give_up)
        timer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            options = ExtractOptions(job.frames, job.selection, read_text=False)
            request = WorkerRequest("extract", job.path, options)
            process.stdin.write(to_json(request).encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            timer.cancel()
        outcome = Outcome("hung" if is_late.is_set() else "crashed", time.monotonic() - began)
        if answer:
            reported = json.loads(answer)
            outcome = Outcome(
                **{**reported, "times_seconds": tuple(reported["times_seconds"]), "faults": tuple(reported["faults"])}
            )
        if not answer or outcome.peak_megabytes > _LARGE_MEGABYTES:  # what it still holds would count for the next
            self._end()
            self._process = self._started()
        return outcome

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.harness"],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        )

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # a request that was never read
                continue


def outcomes(jobs: Iterable[Job], *, workers: int = 2, limit_seconds: float = 30.0) -> Iterator[Outcome]:
    """The outcome of each job, in order."""
    free: queue.Queue[Worker] = queue.Queue()
    started = [Worker(limit_seconds) for _ in range(workers)]
    for worker in started:
        free.put(worker)

    def do(job: Job) -> Outcome:
        worker = free.get()
        try:
            return worker.do(job)
        finally:
            free.put(worker)

    try:
        with ThreadPoolExecutor(workers) as threads:
            yield from threads.map(do, jobs)
    finally:
        for worker in started:
            worker.__exit__()


def _faults(video: Probed, chosen: KeyframesChosen) -> Iterator[str]:
    """What of the promises of framelens.video.extract does not hold."""
    frames, decode = chosen.keyframes, chosen.decode
    times = [frame.time_seconds for frame in frames]
    if not frames:
        yield "no keyframe"
    if not all(0 <= time < math.inf for time in times) or not all(a < b for a, b in pairwise(times)):
        yield f"times {times}"
    if not all(a.frame_index < b.frame_index for a, b in pairwise(frames)):
        yield f"places {[frame.frame_index for frame in frames]}"
    if times and not times[-1] <= decode.readable_seconds < math.inf:
        yield f"readable to {decode.readable_seconds}, last frame at {times[-1]}"
    duration = video.video.duration_seconds_from_header
    if duration is not None and not 0 <= duration < math.inf:
        yield f"duration {duration}"
    for notice in decode.notices:
        if not all(notice_text(notice, language) for language in LANGUAGES):
            yield f"no text for {notice.key}"


def _image(frame: Keyframe) -> np.ndarray[Any, np.dtype[Any]]:
    return np.asarray(cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR))


def _stale(path: Path, frames: Sequence[Keyframe]) -> Iterator[str]:
    """Whether the pictures that are fetched by the times of the keyframes are other pictures."""
    request = WorkerRequest("pictures", path, times_seconds=tuple(frame.time_seconds for frame in frames))
    found = [event.keyframe for event in events_of(request) if isinstance(event, KeyframeFound)]
    for frame, full in zip(frames, found, strict=True):
        shown, again = _image(frame), _image(full)
        again = cv2.resize(again, (shown.shape[1], shown.shape[0]), interpolation=cv2.INTER_AREA)
        apart = float(cv2.absdiff(shown, again).mean())
        if apart > _MOST_APART:
            yield f"at {frame.time_seconds:.3f} s another picture, {apart:.0f} levels apart"


def _done(request: WorkerRequest) -> Outcome:
    began = time.monotonic()
    error, faults, chosen = None, [], None
    try:
        events = list(events_of(request))
        chosen = next(event for event in events if isinstance(event, KeyframesChosen))
        faults += _faults(next(event for event in events if isinstance(event, Probed)), chosen)
        damaged = [notice.values["number"] for notice in chosen.decode.notices if notice.key == "damaged_keyframe"]
        # What is shown in place of a damaged picture depends on where decoding began; a notice says so.
        faults += _stale(request.path, [frame for frame in chosen.keyframes if frame.number not in damaged])
    except AppError as raised:
        error = raised.key
        if chosen and error != _TIMES_IN_DISORDER:
            faults.append(f"{error} after frames were chosen")
        faults += [f"no {language} text" for language in LANGUAGES if not error_text(raised, language)]
    except Exception as raised:  # noqa: BLE001 - any other exception is what this program is here to find
        error = "video_out_of_memory" if limits.is_out_of_memory(raised) else None
        faults += [] if error else [f"{type(raised).__name__}: {raised}"]
    times = tuple(frame.time_seconds for frame in chosen.keyframes) if chosen else ()
    decoded = chosen.decode.frames_decoded if chosen else 0
    return Outcome(error, time.monotonic() - began, _peak_megabytes(), times, decoded, tuple(faults))


def _peak_megabytes() -> float:
    """The largest resident memory since the last call."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) / 1024


def main() -> None:
    damage.watch()
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(sys.stderr.fileno(), 1)  # what a library prints is not an answer
    limit_memory(limits.MEMORY_BYTES)
    for line in sys.stdin:
        answers.write(json.dumps(asdict(_done(from_json(line, WorkerRequest)))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
