"""Analyse a video from Python and write the report as HTML and JSON.

    python examples/analyse_video.py VIDEO [--no-model]

The model and all other settings come from `.env` and the environment, as for the page and the command line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app import config
from app.analysis import Task
from app.analysis.prompts.templates import load
from app.core import AnalysisRequest, AppError, Finished, KeyframeFound
from app.i18n import error_text
from app.reports import FORMATS
from app.services import open_session


def main() -> None:
    """Analyse the video that the command line names."""
    parser = argparse.ArgumentParser(description="Analyse a video from Python.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--no-model", action="store_true")
    given = parser.parse_args()

    settings = config.load()
    session = open_session(settings, load(settings.template_dir))
    request = AnalysisRequest(given.video, frames=6, use_model=not given.no_model)
    try:
        # An analysis is a generator of events. Leaving the loop early would end it.
        for event in session.run(Task(request, job_id="example")):
            if isinstance(event, KeyframeFound):
                print(f"frame at {event.keyframe.time_seconds:.2f} s")
            elif isinstance(event, Finished):
                for report in (FORMATS["html"], FORMATS["json"]):
                    path = Path(given.video.stem + ".report" + report.suffix)
                    path.write_bytes(report.write(event.analysis, "en"))
                    print(f"wrote {path}")
    except AppError as error:  # an error that the user can do something about
        raise SystemExit(error_text(error, "en")) from None
    finally:
        session.close()  # stops the engine, if one was started


if __name__ == "__main__":
    main()
