"""Analyse a video from Python and write the report as HTML and JSON.

    python examples/analyse_video.py VIDEO [--no-model]

The model and all other settings come from `.env` and the environment, as for the page and the command line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import framelens


def main() -> None:
    """Analyse the video that the command line names."""
    parser = argparse.ArgumentParser(description="Analyse a video from Python.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--no-model", action="store_true")
    given = parser.parse_args()

    try:
        analysis = framelens.analyse(given.video, frames=6, use_model=not given.no_model)
        for suffix in (".html", ".json"):
            for path in framelens.save_report(analysis, given.video.stem + ".report" + suffix):
                print(f"wrote {path}")
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
