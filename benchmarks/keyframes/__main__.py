"""`python -m benchmarks.keyframes [OPTIONS]`: FrameLens beside other tools, a Markdown table for each question.

The tables always say how fast, with how much memory and how soon; with --videos and --judge, also how much is seen.
Peers are installed into --work, where files that were made and the peers' answers are kept for next time.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from benchmarks.footage import clips_in
from benchmarks.keyframes.files import measured_files, repeated
from benchmarks.keyframes.first import first_table
from benchmarks.keyframes.machine import machine_line
from benchmarks.keyframes.memory import memory_table
from benchmarks.keyframes.pace import limit_table, pace_table
from benchmarks.keyframes.quality import Judge, events_tables, shots_table
from benchmarks.keyframes.speed import speed_tables
from benchmarks.keyframes.tools import Tool, tools

QUESTIONS = ("events", "shots", "pace", "limit", "speed", "memory", "first")


def main(arguments: Sequence[str]) -> int:
    """Print the tables and return the exit code."""
    given = _parser().parse_args(arguments)
    if bool(given.videos) != bool(given.judge):
        print("--videos and --judge go together: the videos' truth.json is read by the judge", file=sys.stderr)
        return 2
    if shutil.which("ffmpeg") is None:
        print("ffmpeg is not on the PATH: it makes the files, and all cost is measured against it", file=sys.stderr)
        return 2
    # With this set every start would compile every library again, ours and the peers'.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    given.work.mkdir(parents=True, exist_ok=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("w", encoding="utf-8") as out:
        for line in _report(given):
            print(line, flush=True)
            print(line, file=out, flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyframes", description=__doc__)
    parser.add_argument("--videos", type=Path, nargs="+", default=[], help="folders of videos with a truth.json")
    parser.add_argument("--judge", type=Path, help="the folder with eval_events.py")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], help="clips or folders; speed and memory files")
    parser.add_argument("--files", type=Path, nargs="+", default=[], help="measure speed on these as they are instead")
    parser.add_argument("--only", choices=QUESTIONS, nargs="+", default=QUESTIONS, help="ask these questions alone")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed measurements")
    parser.add_argument("--work", type=Path, default=Path("build/bench-keyframes"))
    parser.add_argument("--out", type=Path, default=Path("build/bench-keyframes.md"))
    return parser


def _report(given: argparse.Namespace) -> Iterator[str]:
    yield machine_line() + "\n"
    compared, missing = tools(given.work.absolute())
    yield from (f"{sentence}\n" for sentence in missing)
    yield from _quality(given, compared)
    if set(given.only) & {"speed", "memory", "first"}:
        yield from _costs(given, compared)


def _quality(given: argparse.Namespace, compared: Sequence[Tool]) -> Iterator[str]:
    if given.videos:
        sys.path.insert(0, str(given.judge))
        judge = cast(Judge, importlib.import_module("eval_events"))
    for folder in given.videos:
        if "events" in given.only:
            yield f"## {folder.name}: planted events seen\n"
            yield from events_tables(folder, judge, compared)
        if "pace" in given.only:
            yield f"## {folder.name}: cost of a survey against events seen\n"
            yield from pace_table(folder, judge)
        if "limit" in given.only:
            yield f"## {folder.name}: events seen within a time limit\n"
            yield from limit_table(folder, judge)
        if "shots" in given.only:
            yield f"## {folder.name}: shots\n"
            yield from shots_table(folder, judge, compared)


def _costs(given: argparse.Namespace, compared: Sequence[Tool]) -> Iterator[str]:
    files = {path.name: path for path in given.files} or measured_files(given.work, clips_in(given.clips))
    if "speed" in given.only:
        yield "## Speed\n"
        yield from speed_tables(given.work, files, compared, rounds=given.rounds)
    looped = next(iter(files.values()))
    if "memory" in given.only:
        yield f"## Peak memory of the decoding processes ({looped.stem}, repeated)\n"
        short, long = (repeated(given.work, looped, minutes) for minutes in (10, 60))
        yield from memory_table(short, long, compared)
    if "first" in given.only:
        yield f"## The wait for a first keyframe, 60 minutes of video ({looped.stem}, repeated)\n"
        yield from first_table(repeated(given.work, looped, 60), rounds=given.rounds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
