"""Choosing keyframes against a bare full decode of the same file, each in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.footage import make
from benchmarks.row import Row, paired
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions

ROUNDS = 3
_BARE = """
import av, sys
with av.open(sys.argv[1]) as container:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for frame in container.decode(stream):
        pass
"""


def run(folder: Path) -> Iterator[Row]:
    video = make(folder / "720p.mp4", seconds=100, width=1280, height=720, frame_rate=30)

    def choose() -> None:
        for event in extract(video, ExtractOptions(16, read_text=False)):
            if isinstance(event, KeyframesChosen):
                return

    def bare() -> None:
        subprocess.run([sys.executable, "-c", _BARE, str(video)], check=True)

    mine, theirs, ratio = paired(choose, bare, rounds=ROUNDS)
    yield Row("choosing 16 keyframes / bare decode with PyAV", ratio, "x", None, f"{mine:.2f} s / {theirs:.2f} s")
    if ffmpeg := shutil.which("ffmpeg"):
        command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(video), "-map", "0:v:0", "-f", "null", "-"]
        mine, theirs, ratio = paired(choose, lambda: subprocess.run(command, check=True), rounds=ROUNDS)
        yield Row("choosing 16 keyframes / ffmpeg -f null", ratio, "x", None, f"{mine:.2f} s / {theirs:.2f} s")
