"""The frames that video-analyzer picks: `python with_video_analyzer.py VIDEO FRAMES`.

Prints JSON: [seconds, …], the times that it reports. It is called as its own command does: 60 frames a minute at most
(its shipped configuration), cut to FRAMES, or not cut if FRAMES is "all"; the pictures go to a temporary folder.
Runs in the peers' environment and imports nothing of FrameLens; transcription and models are not started.
"""

from __future__ import annotations

import importlib.resources
import json
import sys
import tempfile
from pathlib import Path

from video_analyzer.frame import VideoProcessor


def main(path: str, frames: str) -> None:
    shipped = json.loads(importlib.resources.files("video_analyzer").joinpath("config/default_config.json").read_text())
    with tempfile.TemporaryDirectory(prefix="video-analyzer-") as folder:
        found = VideoProcessor(Path(path), Path(folder), "").extract_keyframes(
            frames_per_minute=shipped["frames"]["per_minute"],
            max_frames=sys.maxsize if frames == "all" else int(frames),
        )
    json.dump([frame.timestamp for frame in found], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
