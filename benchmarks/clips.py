"""Many short videos, each with other contents: cut from real footage, or cards that are drawn."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from itertools import cycle, permutations
from pathlib import Path

from framelens.core.errors import AppError
from framelens.video.extractor import probe
from framelens.video.files import is_video_name
from tests.cards import CARDS, write_card_video

CLIP_SECONDS = 3.0
_STEP_SECONDS = 0.7
"""Time between the beginnings of clips from one file: they overlap, and no two are the same."""


def make_clips(folder: Path, footage: Path | None, count: int) -> list[Path]:
    """Return `count` clips in a folder; existing clips are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = sorted(folder.glob("*.mp4"))
    if len(clips) >= count:
        return clips[:count]
    if footage is None:
        for number, colours in zip(range(count), permutations(CARDS, 3), strict=False):
            write_card_video(folder / f"{number:04}.mp4", colours)
    else:
        _cut(folder, footage, count)
    return sorted(folder.glob("*.mp4"))[:count]


def _cut(folder: Path, footage: Path, count: int) -> None:
    if shutil.which("ffmpeg") is None:
        raise SystemExit("ffmpeg is needed to cut clips of footage.")
    made = 0
    for path, start in _places(footage):
        clip = folder / f"{made:04}.mp4"
        scaled = ["-vf", "scale='min(640,iw)':-2", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
        command = ["ffmpeg", "-v", "error", "-y", "-ss", str(start), "-i", str(path), "-t", str(CLIP_SECONDS)]
        done = subprocess.run([*command, *scaled, "-an", str(clip)], check=False)
        if done.returncode == 0 and clip.stat().st_size > 2000:
            made += 1
        if made == count:
            return
    raise SystemExit(f"{footage} has footage for {made} clips only, of {count}.")


def _places(footage: Path) -> Iterator[tuple[Path, float]]:
    """Yield files and beginnings, taking a beginning of each file in turn."""
    starts = []
    for path in sorted(footage.rglob("*")):
        if not (path.is_file() and is_video_name(path)):
            continue
        try:
            seconds = probe(path).duration_seconds_from_header or 0.0
        except AppError:
            continue
        if seconds > CLIP_SECONDS:
            steps = int((seconds - CLIP_SECONDS) / _STEP_SECONDS)
            starts.append(iter([(path, round(step * _STEP_SECONDS, 2)) for step in range(steps + 1)]))
    left = len(starts)
    for one in cycle(starts):
        if left == 0:
            return
        place = next(one, None)
        if place:
            left = len(starts)
            yield place
        else:
            left -= 1
