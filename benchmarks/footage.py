"""Videos to measure on: given clips, or made here of a textured ground with things that move, cut into shots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np


def clips_in(places: Sequence[Path]) -> list[Path]:
    """Return the given clips, and those in the given folders."""
    return [clip for place in places for clip in (sorted(place.iterdir()) if place.is_dir() else [place])]


def make(path: Path, *, seconds: float, width: int, height: int, frame_rate: int, shot_seconds: float = 6.0) -> Path:
    """Encode H.264 in MP4 with B-frames, as a phone or a camera does."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frame_rate, options={"preset": "veryfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        shot, ground = -1, np.zeros((height, width, 3), np.uint8)
        for index in range(round(seconds * frame_rate)):
            now = int(index / frame_rate / shot_seconds)
            if now != shot:
                shot = now
                coarse = random.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
                ground = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
                ground = np.pad(ground, ((0, height - ground.shape[0]), (0, width - ground.shape[1]), (0, 0)), "edge")
            image = np.roll(ground, index % width, axis=1) if shot % 2 else ground.copy()
            left = index * 5 % (width - width // 8)
            image[height // 3 : height // 2, left : left + width // 8] = (250, 240, 120)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path
