"""Choose the keyframes of a video and save them as JPEG files. No model is needed.

python examples/keyframes.py VIDEO [FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import framelens


def main() -> None:
    """Save the keyframes of the video that the command line names."""
    parser = argparse.ArgumentParser(description="Save the keyframes of a video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("frames"))
    given = parser.parse_args()

    try:
        # The usual strategy looks for what happens. Others: uniform, every, scenes, codec, times.
        frames = framelens.keyframes(given.video, frames=8)
        paths = frames.save(given.folder)
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None
    for frame, path in zip(frames, paths, strict=True):
        print(f"{path}: {frame.time_seconds:.2f} s, frame {frame.frame_index}, shot {frame.shot}, {frame.reason}")


if __name__ == "__main__":
    main()
