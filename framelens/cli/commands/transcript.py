"""Command `framelens transcript VIDEO`: prints the speech or subtitles of a video with their times; no model is asked.

Times count from the first picture, as those of reports do.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from framelens import config, i18n
from framelens.analysis.inputs.transcription import cues_between
from framelens.cli.common import add_output_options, add_subtitles_option, use_language
from framelens.core.domain import Analysis
from framelens.core.files import absolute, typed_path
from framelens.core.units import clock
from framelens.i18n import notice_text, t
from framelens.services.container import Services, open_library
from framelens.services.keyframes import parse_seconds
from framelens.services.transcripts import report_ids, transcript_of
from framelens.video.files import check_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("video", metavar="VIDEO", help=t("cli.transcript_video"))
    parser.add_argument("--start", type=parse_seconds, default=0.0, metavar="T", help=t("cli.start"))
    parser.add_argument("--end", type=parse_seconds, metavar="T", help=t("cli.end"))
    add_subtitles_option(parser)
    add_output_options(parser, None)


def run(given: argparse.Namespace) -> int:
    """Print a line for each passage, or one JSON object, and return the exit code.

    Raises:
        InputError: The video can't be read, or has neither subtitles nor a report with speech.
    """
    settings = config.load()
    use_language(given, settings)
    with open_library(settings) as services:
        path, analysis = _named(given.video, services)
        transcript, notices = transcript_of(path, analysis, i18n.language(), given.subtitles)
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    cues = cues_between(transcript, given.start, float("inf") if given.end is None else given.end)
    if given.json:
        head = {"source": transcript.source, "label": transcript.label}
        print(json.dumps({**head, "cues": [asdict(cue) for cue in cues]}, ensure_ascii=False, indent=2))
    else:
        print(t(f"report.transcript_{transcript.source}", label=transcript.label), file=sys.stderr)
        for cue in cues:
            print(f"{clock(cue.start_seconds)}  {' '.join(cue.text.split())}")
    return 0


def _named(word: str, services: Services) -> tuple[Path | None, Analysis | None]:
    """Return the file of that name and the newest report on it, or the report with this id."""
    path = absolute(Path(typed_path(word)))
    if not path.exists() and Path(word).name == word and not path.suffix:
        return None, services.jobs.snapshot(services.jobs.library.resolve_id(word)).analysis
    check_file(path)
    known = next(iter(report_ids(services.jobs, services.switcher.session.extractions, path)), None)
    return path, services.jobs.snapshot(known).analysis if known else None
