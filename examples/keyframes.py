"""Choose the keyframes of a video and save them as JPEG files. No model is needed.

python examples/keyframes.py VIDEO [FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.core import KeyframesChosen, Selection
from app.video import extract


def main() -> None:
    """Save the keyframes of the video that the command line names."""
    parser = argparse.ArgumentParser(description="Save the keyframes of a video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("frames"))
    given = parser.parse_args()

    given.folder.mkdir(parents=True, exist_ok=True)
    # "auto" looks for what happens. Other strategies: uniform, every, scenes, codec, times.
    events = extract(given.video, frames=8, selection=Selection("auto"), read_text=False)
    for event in events:
        if isinstance(event, KeyframesChosen):
            for frame in event.keyframes:
                path = given.folder / f"{frame.number:02d}-{frame.time_seconds:.2f}s.jpg"
                path.write_bytes(frame.jpeg)
                print(f"{path}: frame {frame.frame_index}, shot {frame.shot}, chosen for {frame.reason}")


if __name__ == "__main__":
    main()
