"""Analyse a video with a prompt template of your own and print its fields as a table.

    python examples/own_template.py VIDEO

The template is examples/templates/shop.toml; docs/templates.en.md explains the format.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app import config
from app.analysis import Task
from app.analysis.prompts.templates import load
from app.core import AnalysisRequest, AppError, Finished
from app.i18n import error_text
from app.services import open_session

TEMPLATES = Path(__file__).parent / "templates"


def main() -> None:
    """Print one line for each finding in the video that the command line names."""
    parser = argparse.ArgumentParser(description="Analyse a video with a template of your own.")
    parser.add_argument("video", type=Path)
    given = parser.parse_args()

    # The same as setting FRAMELENS_TEMPLATE_DIR.
    session = open_session(config.load(), load(TEMPLATES))
    request = AnalysisRequest(given.video, frames=4, template="shop")
    try:
        for event in session.run(Task(request, job_id="example")):
            if isinstance(event, Finished):
                times = {frame.number: frame.time_seconds for frame in event.analysis.keyframes}
                for finding in event.analysis.findings:
                    # The model cites frames by number; the times come from the file.
                    when = ", ".join(f"{times[number]:.2f} s" for number in finding.frames)
                    people, activity = (finding.fields.get(key, "") for key in ("people", "activity"))
                    print(when, people, activity, finding.text, sep="\t")
    except AppError as error:  # an error that the user can do something about
        raise SystemExit(error_text(error, "en")) from None
    finally:
        session.close()


if __name__ == "__main__":
    main()
