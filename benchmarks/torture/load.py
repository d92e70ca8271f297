"""Thousands of jobs of a scripted engine in a process: memory, threads, descriptors and time per job must not grow.

Store, queue, worker and search index are real; the analysis yields what a video of two cards would.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import psutil

from benchmarks.torture.line import Line, Scale
from framelens.composition import SAMPLE, Services
from framelens.core.domain import AnalysisRequest
from tests.app.fake_services import open_fake, script

_FULL = 10_000
_PARTS = 10
_MOST_KILOBYTES = 2.0
"""Growth of memory for each job that counts as a leak: a job in memory with its two pictures has 10 KB and more, and
the index of what is stored, which SQLite caches, takes less."""
_MOST_SLOWER = 1.5
"""Time per job of the last tenth over the second tenth's; a busy machine makes some difference."""
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class _Level:
    """What a process holds after a part of the jobs, and how long a job took."""

    megabytes: float
    threads: int
    descriptors: int
    seconds: float


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line with the growth from the second tenth of the jobs to the last."""
    each = max(2, scale.count(_FULL) // _PARTS)
    services = open_fake(scale.folder("load"), run=script(), sample=SAMPLE)
    try:
        levels, unfinished = [], 0
        for part in range(_PARTS):
            level, lost = _work(services, part, each)
            levels.append(level)
            unfinished += lost
    finally:
        services.close()
    first, last = levels[1], levels[-1]
    kilobytes = (last.megabytes - first.megabytes) * 1024 / (each * (_PARTS - 2))
    grown = (kilobytes > _MOST_KILOBYTES) * (each >= 100)  # fewer jobs say nothing about memory
    grown += (last.threads > first.threads) + (last.descriptors > first.descriptors)
    grown += (last.seconds > _MOST_SLOWER * first.seconds) * (each >= 100)
    note = f"{first.megabytes:.0f} to {last.megabytes:.0f} MB ({kilobytes:.2f} KB a job), {last.threads} threads,"
    note += f" {last.descriptors} descriptors, {first.seconds * 1000:.1f} to {last.seconds * 1000:.1f} ms a job"
    yield Line("jobs of a scripted engine", each * _PARTS, unfinished, int(grown), note)


def _work(services: Services, part: int, count: int) -> tuple[_Level, int]:
    """Run jobs in sequence; return what is held then, and how many of them have no report."""
    seconds, lost = [], 0
    path = services.videos.path(services.videos.sample())
    for number in range(count):
        began = time.monotonic()
        job = services.jobs.submit(AnalysisRequest(path, language="en"), name=f"{part}-{number}")
        while not services.jobs.brief(job).is_over:
            time.sleep(_POLL_SECONDS)
        seconds.append(time.monotonic() - began)
        lost += services.jobs.brief(job).state != "done"
    gc.collect()
    process = psutil.Process()
    megabytes = process.memory_info().rss / 2**20
    return _Level(megabytes, threading.active_count(), process.num_fds(), median(seconds)), lost
