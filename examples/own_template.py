"""Analyse a video with a prompt template of your own and print its fields as a table.

    python examples/own_template.py VIDEO

The template is examples/templates/shop.toml; docs/reference/templates.en.md explains the format.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import framelens

TEMPLATES = Path(__file__).parent / "templates"


def main() -> None:
    """Print a line for each finding in the video that the command line names."""
    parser = argparse.ArgumentParser(description="Analyse a video with a template of your own.")
    parser.add_argument("video", type=Path)
    given = parser.parse_args()

    try:
        analysis = framelens.analyse(given.video, frames=4, template="shop", template_dir=TEMPLATES)
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None
    times = {frame.number: frame.time_seconds for frame in analysis.keyframes}
    for finding in analysis.findings:
        # The model cites frames by number; the times come from the file.
        when = ", ".join(f"{times[number]:.2f} s" for number in finding.frames)
        people, activity = (finding.fields.get(key, "") for key in ("people", "activity"))
        print(when, people, activity, finding.text, sep="\t")


if __name__ == "__main__":
    main()
