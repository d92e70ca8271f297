"""A long video through the real engine by the command line: once undisturbed, once killed by signal 9 and begun again.

    python -m benchmarks.endurance [--minutes 60] [--frames 64] [--model tests/fixtures/tiny-vl] [--work FOLDER]

The video is composed here, of scenes of uneven length. Both runs must say the same, the killed run may repeat only what
was on its way, and every time in its report must be a time of the container. Ends with 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from framelens.core.units import clock
from tests.cards import CARDS, draw_card
from tests.media import Image, faded, write_video

REPOSITORY = Path(__file__).resolve().parents[1]
FRAME_RATE = 10
_CONFIG = {
    "enforce_eager": True,
    "max_model_len": 4096,
    "dtype": "float32",
    "max_num_seqs": 8,
    "limit_mm_per_prompt": {"image": 8},
    "num_gpu_blocks_override": 64,  # holds few requests, so that there is a middle to be killed in
}
_CLOCK = re.compile(r"(?<![\d:.T+])(?<!\d{4}-\d\d-\d\d )(?:\d+:)?\d{1,2}:\d{2}(?:\.\d{1,3})?(?![\d:])")
_POLL_SECONDS = 0.2
# Fields that differ between runs, whatever was found.
_OF_THE_RUN = {"id", "created", "seconds", "seconds_by_stage", "usage", "recalled", "base_url", "job", "aigc"}


def compose(path: Path, *, minutes: float) -> Path:
    """Compose coloured scenes of 4 to 50 seconds; objects move in every third, every fifth fades in from black."""
    draw = random.Random(60)
    total = round(minutes * 60 * FRAME_RATE)

    def images() -> Iterator[Image]:
        made, scene, colours = 0, 0, list(CARDS)
        while made < total:
            length = min(round(draw.uniform(4, 50) * FRAME_RATE), total - made)
            card = draw_card(colours[draw.randrange(len(colours))], angle_degrees=draw.uniform(0, 360))
            dark = min(FRAME_RATE, length) if scene % 5 == 4 else 0
            yield from faded(card, dark, 0.0, 1.0)
            for step in range(length - dark):
                yield _with_square(card, step) if scene % 3 == 2 else card
            made, scene = made + length, scene + 1

    scratch = path.with_name(f"half-{path.name}")
    return write_video(scratch, images(), rate=FRAME_RATE, options={"preset": "ultrafast", "g": "100"}).replace(path)


def _with_square(card: Image, step: int) -> Image:
    image, side = card.copy(), card.shape[0] // 5
    left = step * 4 % (card.shape[1] - side)
    image[side : 2 * side, left : left + side] = 255 - card[0, 0]
    return image


_NO_USABLE_ANSWER = 4
"""Exit code of `framelens analyse` if the model gave no usable answer."""


@dataclass(frozen=True)
class Setting:
    """Settings that both runs have in common."""

    video: Path
    frames: int
    model: Path
    answer_tokens: int = 128

    def start(self, data: Path, report: Path) -> subprocess.Popen[bytes]:
        """Start `framelens analyse`, which writes its output beside the report."""
        report.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FRAMELENS_", "VLLM_"))},
            "FRAMELENS_DATA_DIR": str(data),
            "FRAMELENS_ANSWER_TOKENS": str(self.answer_tokens),
            "VLLM_CONFIG": json.dumps(_CONFIG),
            "VLLM_CPU_KVCACHE_SPACE": "1",
        }
        command = [sys.executable, "-m", "framelens.cli.main", "analyse", str(self.video), "--frames", str(self.frames)]
        with report.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--model", str(self.model), "--language", "en", "--output", str(report), "--overwrite"],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def finish(self, data: Path, report: Path) -> None:
        """Run `framelens analyse` to its end. Raise if it fails; random weights need not give a usable answer."""
        status = self.start(data, report).wait()
        if status not in (0, _NO_USABLE_ANSWER):
            raise RuntimeError(f"framelens analyse ended with {status}:\n{report.with_suffix('.log').read_text()}")


def killed(setting: Setting, data: Path, report: Path, *, answered: int) -> tuple[int, set[int]]:
    """Start a run and kill it by signal 9 when so many chunks are answered; return its answers and its orphans.

    Orphans are the ids of processes that outlived the app by more than half a minute.
    """
    process = setting.start(data, report)
    while len(stored(data)) < answered:
        if process.poll() is not None:
            raise RuntimeError(f"it ended before it could be killed:\n{report.with_suffix('.log').read_text()}")
        time.sleep(_POLL_SECONDS)
    family = psutil.Process(process.pid).children(recursive=True)
    if not any(any("vllm" in word.lower() for word in one.cmdline()) for one in family):
        raise RuntimeError("no engine was among its processes")
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(family, timeout=30)
    return len(stored(data)), {one.pid for one in left}


def stored(data: Path) -> dict[int, str]:
    """Read the stored answers about chunks by number, without blocking other processes."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{data / 'framelens.sqlite'}?mode=ro", uri=True)) as file,
    ):
        return dict(file.execute("SELECT number, document FROM results WHERE number > 0").fetchall())
    return {}


def markdown_of(report: Path) -> str:
    """Export a JSON report as Markdown, as a user would, and return the text."""
    folder = report.parent / "exported"
    command = [sys.executable, "-m", "framelens.cli.main", "export", "--json-file", str(report), "--format", "markdown"]
    subprocess.run([*command, "--language", "en", "--output", str(folder)], cwd=REPOSITORY, check=True)
    (exported,) = folder.glob("*.md")
    return exported.read_text(encoding="utf-8")


def said(report: Path) -> Any:
    """Return a JSON report without the fields that differ between runs."""
    return plain(json.loads(report.read_text()))


def plain(value: Any) -> Any:
    """Return JSON without the fields that differ between runs."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items() if key not in _OF_THE_RUN}
    return [plain(one) for one in value] if isinstance(value, list) else value


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """List the differences between two reports."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{place}[{number}]")
    elif one != other:
        yield f"{place}: {str(one)[:120]} / {str(other)[:120]}"


def container_clocks(path: Path) -> set[str]:
    """Format the times of the video's frames and its end, read from its packets alone, with and without decimals."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None and packet.time_base]
    times = sorted(float(packet.pts * packet.time_base) for packet in packets)
    end = times[-1] + float(np.median(np.diff(times)))
    return {clock(time - times[0], digits=digits) for time in (*times, end) for digits in (0, 3)}


def foreign_times(text: str, clocks: set[str]) -> list[str]:
    """List the times in a text that are not among `clocks`."""
    return sorted({found for found in _CLOCK.findall(text) if found not in clocks})


def run(setting: Setting, folder: Path) -> Iterator[str]:
    """Do both runs and yield a line for each result. Lines that begin with "WRONG" are failures."""
    began = time.monotonic()
    whole, broken = folder / "whole" / "report.json", folder / "broken" / "report.json"
    setting.finish(folder / "whole-data", whole)
    expected = said(whole)
    parts = len(stored(folder / "whole-data"))
    yield f"undisturbed: {parts} parts in {time.monotonic() - began:.0f} s"
    began = time.monotonic()
    kept, left = killed(setting, folder / "broken-data", broken, answered=max(1, parts // 2))
    before = stored(folder / "broken-data")
    yield f"killed by signal 9 after {time.monotonic() - began:.0f} s with {kept} of {parts} parts answered"
    if left:
        yield f"WRONG: {len(left)} processes outlived the app"
    began = time.monotonic()
    setting.finish(folder / "broken-data", broken)
    after = stored(folder / "broken-data")
    taken = sum(after.get(number) == document for number, document in before.items())
    yield f"begun again: {taken} answers taken over, {len(after) - taken} asked, in {time.monotonic() - began:.0f} s"
    if taken < kept:
        yield f"WRONG: {kept - taken} answers were there and were asked for again"
    yield from (f"WRONG: another result at {line}" for line in differences(expected, said(broken)))
    text, clocks = markdown_of(broken), container_clocks(setting.video)
    yield f"its report: {len(_CLOCK.findall(text))} times printed"
    yield from (f"WRONG: no frame of the video is at {foreign}" for foreign in foreign_times(text, clocks))


def main(words: Sequence[str] | None = None) -> int:
    """Do both runs and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--model", type=Path, default=REPOSITORY / "tests" / "fixtures" / "tiny-vl")
    parser.add_argument("--work", type=Path, help="where the video and both runs stay; else they are removed")
    given = parser.parse_args(words)
    wrong = False
    with tempfile.TemporaryDirectory(prefix="framelens-endurance-") as scratch:
        folder = given.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        video = folder / f"{given.minutes:g}-minutes.mp4"
        if not video.exists():
            compose(video, minutes=given.minutes)
        for line in run(Setting(video, given.frames, given.model.resolve()), folder):
            print(line, flush=True)
            wrong = wrong or line.startswith("WRONG")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
