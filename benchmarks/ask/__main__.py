"""`python -m benchmarks.ask [--only …] [--seed N] [--footage FOLDER] [--work FOLDER]`: questions through real vLLM.

when: cards planted in real footage, found by "when is there a red card?". moment: the right moment among 8 frames for
a question about one card, and global questions. followup: a second question on the same frames. many: 20 conversations
at once. The engine runs on the CPU with the test model; videos are made once, and kept under the work folder.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import framelens
from benchmarks.analysis.engine import TINY, Caches, started
from benchmarks.analysis.machine import machine_line
from benchmarks.ask import followup, many, moment, when
from benchmarks.ask.planted import planted
from benchmarks.ask.session import ARGUMENTS, session
from benchmarks.footage import make
from benchmarks.row import Row
from tests.cards import CARDS, write_card_video


@dataclass(frozen=True)
class Bench:
    """What the benchmarks have in common."""

    one: framelens.Session
    caches: Caches
    given: argparse.Namespace
    work: Path
    data: Path

    @property
    def cards(self) -> Path:
        """Return a short video of eight cards."""
        path = self.work / f"cards-{self.given.seed}.mp4"
        colours = random.Random(self.given.seed).sample(list(CARDS), 8)
        return path if path.exists() else write_card_video(path, colours, seconds_per_card=2.0)


def of_when(bench: Bench) -> Iterator[Row]:
    """Measure how planted cards are found."""
    if not bench.given.footage:
        print("when: skipped, it needs --footage", file=sys.stderr)
        return
    clips = sorted(path for path in bench.given.footage.iterdir() if path.is_file())
    videos = [
        planted(bench.work, clips, minutes=minutes, seed=bench.given.seed * 100 + number)
        for number, minutes in enumerate(bench.given.minutes)
    ]
    yield from when.rows(bench.one, videos, seed=bench.given.seed, language=bench.given.language)


def of_moment(bench: Bench) -> Iterator[Row]:
    """Measure whether the right moment is among the frames."""
    yield from moment.rows(bench.one, bench.work, videos=bench.given.videos, seed=bench.given.seed)


def of_followup(bench: Bench) -> Iterator[Row]:
    """Measure a second question."""
    path = bench.work / "textured.mp4"
    video = path if path.exists() else make(path, seconds=30, width=1280, height=720, frame_rate=10)
    yield from followup.rows(bench.caches, bench.data, video, rounds=bench.given.rounds)


def of_many(bench: Bench) -> Iterator[Row]:
    """Measure conversations at once."""
    yield from many.rows(bench.one, bench.cards)


BENCHMARKS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "when": of_when,
    "moment": of_moment,
    "followup": of_followup,
    "many": of_many,
}


def main() -> int:
    """Run the chosen benchmarks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ask", description=__doc__)
    parser.add_argument("--only", choices=list(BENCHMARKS), nargs="+", default=list(BENCHMARKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--footage", type=Path, help="folder of real videos, for `when`")
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 20, 60], help="lengths of the videos of `when`")
    parser.add_argument("--language", choices=list(when.QUESTIONS), default="en", help="of the questions of `when`")
    parser.add_argument("--videos", type=int, default=4, help="number of videos of `moment`, with five questions each")
    parser.add_argument("--model", type=Path, default=TINY, help="folder of a model that names colours and votes")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of `followup`")
    parser.add_argument("--work", type=Path, default=Path("build/bench-ask"))
    given = parser.parse_args()
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    missed = 0
    with ExitStack() as stack:
        caches = stack.enter_context(started(given.model.absolute(), ARGUMENTS, work / "logs"))
        for name in given.only:
            data = work / "data" / name
            shutil.rmtree(data, ignore_errors=True)  # what an earlier run found would be found there
            print(machine_line(), flush=True)
            with session(caches, data) as one:
                for row in BENCHMARKS[name](Bench(one, caches, given, work, data)):
                    print(row, flush=True)
                    missed += row.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
