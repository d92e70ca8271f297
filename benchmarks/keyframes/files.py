"""The files that speed and memory are measured on, made by ffmpeg: of given footage, or of footage drawn here.

H.264 in MP4 as a phone or a camera writes it: B-frames, a keyframe every ten seconds at most.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from benchmarks.footage import make
from framelens.video.extractor import probe

RATE = 25
SIZES = {"720p": (1280, 720, 120), "1080p": (1920, 1080, 60)}
"""Width, height and seconds."""
_ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-g", "250", "-pix_fmt", "yuv420p")
_GRAIN = ",noise=alls=6:allf=t"
"""Drawn footage without a camera's noise would decode faster than any real footage."""


def measured_files(work: Path, clips: Sequence[Path]) -> dict[str, Path]:
    """Make a file of each size: the clips in a row, each repeated to fill its share."""
    grain = "" if clips else _GRAIN
    sources = clips or [_drawn(work)]
    return {name: _composed(work, name, sources, grain) for name in SIZES}


def repeated(work: Path, video: Path, minutes: int) -> Path:
    """Repeat the video to `minutes` without encoding it again."""
    seconds = probe(video).duration_seconds_from_header or 0.0
    times = math.ceil(minutes * 60 / seconds)
    return _made(
        work, f"{video.stem}-{minutes}min",
        ["-stream_loop", str(times - 1), "-i", str(video), "-map", "0:v:0", "-c", "copy", "-t", str(minutes * 60)],
    )  # fmt: skip


def one_frame(work: Path, video: Path) -> Path:
    """Make a video of the first frame; the time that a tool needs for it is its start."""
    return _made(work, f"{video.stem}-1frame", ["-i", str(video), "-map", "0:v:0", "-frames:v", "1", *_ENCODER])


def _drawn(work: Path) -> Path:
    path = work / "drawn.mp4"
    return path if path.exists() else make(path, seconds=60, width=640, height=360, frame_rate=RATE)


def _composed(work: Path, name: str, sources: Sequence[Path], grain: str) -> Path:
    width, height, seconds = SIZES[name]
    share = seconds / len(sources)
    inputs = [part for source in sources for part in ("-stream_loop", "-1", "-t", f"{share}", "-i", str(source))]
    scaled = (
        f"[{place}:v:0]fps={RATE},scale={width}:{height},setsar=1{grain},format=yuv420p[v{place}]"
        for place in range(len(sources))
    )
    joined = "".join(f"[v{place}]" for place in range(len(sources))) + f"concat=n={len(sources)}:v=1:a=0[all]"
    return _made(work, name, [*inputs, "-filter_complex", ";".join((*scaled, joined)), "-map", "[all]", *_ENCODER])


def _made(work: Path, name: str, arguments: Sequence[str]) -> Path:
    """Make a file named after the arguments as well, so that only other footage makes another file."""
    path = work / f"{name}-{sha256(' '.join(arguments).encode()).hexdigest()[:8]}.mp4"
    if not path.exists():
        scratch = path.with_suffix(".part.mp4")
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments, "-an", str(scratch)], check=True)
        scratch.replace(path)
    return path
