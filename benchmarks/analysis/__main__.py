"""`python -m benchmarks.analysis [--only …] [--rounds N] [--work FOLDER]`: whole analyses, a row for each figure.

throughput: against an engine of known delay. vllm: the same against the real CPU engine with the test model, and a
second question on the same frames. first: the first text of an hour. memory: of app and decoding child. large: vLLM
with the shape of Qwen2.5-VL-3B, where there is memory for it. frames-as: frames as one video against pictures, with the
shape of Qwen3-VL-2B. Videos are drawn, and kept under the work folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks.analysis import first, frames_as, large, prefix, resident, throughput
from benchmarks.analysis.engine import TINY, started
from benchmarks.analysis.machine import machine_line
from benchmarks.analysis.scripted import Delays, serving
from benchmarks.analysis.throughput import Place
from benchmarks.footage import make
from benchmarks.keyframes.files import repeated
from benchmarks.row import Row
from benchmarks.shapes import shape_folder

IN_FLIGHT = (4, 8, 16)
QUICK = Delays(first_seconds=0.2, token_seconds=0.02, frame_tokens=1500, context=8192)
"""A GPU's: 50 tokens a second each."""
SLOW = Delays(first_seconds=7.0, token_seconds=0.1, frame_tokens=3000, context=8192)
"""A CPU's: three frames at 2.3 s each, then 10 tokens a second."""
_FRAMES = 256
_THREADS = {"one thread": {"OMP_NUM_THREADS": "1"}, "all threads": {}}
"""With one thread, the other of two cores is left to the client. Several threads wait for each other by keeping their
cores busy, so that the app takes its processor time from the engine."""
_TINY_ARGUMENTS = {"max_model_len": 4096, "dtype": "bfloat16"}


class Videos:
    """Videos drawn here; existing files are not made again."""

    def __init__(self, work: Path) -> None:
        self._work = work

    @property
    def small(self) -> Path:
        """Return a video of 2 seconds."""
        return self._made("small", 2, 10)

    @property
    def short(self) -> Path:
        """Return a video of two minutes."""
        return self._made("two-minutes", 120, 10)

    def long(self, minutes: int) -> Path:
        """Return a video of this many minutes."""
        return repeated(self._work, self._made("five-minutes", 300, 25), minutes)

    def _made(self, name: str, seconds: int, frame_rate: int) -> Path:
        path = self._work / f"{name}.mp4"
        if not path.exists():
            scratch = self._work / f"{name}.part.mp4"
            make(scratch, seconds=seconds, width=640, height=360, frame_rate=frame_rate).replace(path)
        return path


def of_throughput(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure throughput against an engine of known delay."""
    with serving(QUICK) as url:
        place = Place("known delay", url, (videos.short, videos.small), work / "data", _FRAMES)
        yield from throughput.rows(place, IN_FLIGHT, rounds=rounds)
        unread = Place("known delay", url, (videos.long(10), videos.small), work / "unread", _FRAMES)
        shutil.rmtree(unread.data, ignore_errors=True)
        yield from throughput.beside_the_survey(unread, 8, rounds=rounds)


def of_vllm(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure throughput against the real CPU engine."""
    pair = (videos.short, videos.small)
    for name, environment in _THREADS.items():
        with started(TINY, _TINY_ARGUMENTS, work / "logs", environment) as caches:
            endpoint = caches.endpoint
            place = Place(
                f"vLLM, test model, {name}", endpoint.base_url, pair, work / "data", _FRAMES, each=2,
                api_key=endpoint.api_key, answer_tokens=256, forget=caches.empty, learns=True,
            )  # fmt: skip
            yield from throughput.rows(place, (8,), rounds=rounds)
            if not environment:
                asked = prefix.requests(pair, work / "data", frames=8, answer_tokens=64)
                yield from prefix.rows("vLLM, test model", caches, asked, rounds=rounds)


def of_first(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure when the first text of a long video comes."""
    data = work / "first"
    for name, delays in (("first text after 0.2 s", QUICK), ("first text after 7 s", SLOW)):
        shutil.rmtree(data, ignore_errors=True)
        with serving(delays) as url:
            yield from first.rows(Place(name, url, (videos.long(60), videos.small), data, _FRAMES // 4), rounds=rounds)


def of_memory(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure resident memory."""
    data = work / "memory"
    shutil.rmtree(data, ignore_errors=True)
    with serving(QUICK) as url:
        yield from resident.rows(url, data, {minutes: videos.long(minutes) for minutes in (10, 60)})


def of_large(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure vLLM with the shape of Qwen2.5-VL-3B."""
    if psutil.virtual_memory().available < large.NEEDED_BYTES:
        print(f"large: skipped, it needs {large.NEEDED_BYTES >> 30} GiB of free memory", file=sys.stderr)
        return
    with started(shape_folder(large.MODEL), large.ARGUMENTS, work / "logs") as caches:
        yield from large.rows(caches, (videos.short, videos.small), work / "data")


def of_frames_as(work: Path, videos: Videos, rounds: int) -> Iterator[Row]:
    """Measure frames as a video with the shape of Qwen3-VL-2B."""
    folder = shape_folder("Qwen/Qwen3-VL-2B-Instruct")
    arguments = {**large.ARGUMENTS, "trust_request_mm_kwargs": True}
    with started(folder, arguments, work / "logs") as caches:
        yield from frames_as.rows("shape of Qwen3-VL-2B", caches, videos.short, rounds=rounds)


BENCHMARKS: dict[str, Callable[[Path, Videos, int], Iterator[Row]]] = {
    "throughput": of_throughput,
    "vllm": of_vllm,
    "first": of_first,
    "memory": of_memory,
    "large": of_large,
    "frames-as": of_frames_as,
}


def main() -> int:
    """Run the chosen benchmarks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis", description=__doc__)
    parser.add_argument("--only", choices=list(BENCHMARKS), nargs="+", default=list(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/bench-analysis"))
    given = parser.parse_args()
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    missed = 0
    for name in given.only:
        print(machine_line(), flush=True)
        for row in BENCHMARKS[name](work, Videos(work), given.rounds):
            print(row, flush=True)
            missed += row.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
