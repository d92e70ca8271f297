"""Ask the same question about every video of a folder with one engine, and write a PDF report on each.

    python examples/batch.py FOLDER "Who appears?" [--no-model]

Calling it again continues: a finished analysis is taken from the library, a stopped analysis is resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import framelens

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}


def main() -> int:
    """Analyse the videos in the folder that the command line names; return the number of failures."""
    parser = argparse.ArgumentParser(description="Ask about every video of a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("question", nargs="?", default="What happens?")
    parser.add_argument("--no-model", action="store_true")
    given = parser.parse_args()

    failures = 0
    with framelens.Session(language="en") as session:  # one engine for all of them
        for video in sorted(path for path in given.folder.iterdir() if path.suffix.lower() in SUFFIXES):
            try:
                analysis = session.analyse(video, given.question, frames=4, use_model=not given.no_model)
                framelens.save_report(analysis, video.with_suffix(".report.pdf"))
            except framelens.InputError as error:  # this video can't be used; the next video may be
                failures += 1
                print(f"{video.name}: {error}")
                continue
            print(f"{video.name}: {analysis.title or f'{len(analysis.keyframes)} keyframes'}")
    return failures


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except framelens.AppError as error:  # the engine, a setting or the disk: the others would fail too
        raise SystemExit(str(error)) from None
