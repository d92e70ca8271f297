"""Command `framelens transcript VIDEO`: prints the speech or subtitles of a video with their times.

Times count from the first picture, as in reports. A video without subtitles and without a report is
transcribed, if there is a speech model. No vision-language model is asked.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from framelens import config, i18n, registry
from framelens.analysis.inputs.transcription import Found, cues_between
from framelens.cli.common import (
    add_output_options,
    add_range_options,
    add_speakers_option,
    add_subtitles_option,
    cancel_on_signals,
    print_json,
    use_language,
)
from framelens.cli.listening import ListeningProgress, settle_speech
from framelens.cli.progress_lines import ProgressLine
from framelens.config import export_environment
from framelens.core.domain import Analysis, Cue, Notice, Transcript
from framelens.core.files import absolute, typed_path
from framelens.core.units import clock
from framelens.i18n import notice_text, t
from framelens.i18n.formatting import attributed, speaker_name
from framelens.services.container import Services, open_library
from framelens.services.recognition import local_diariser, local_recogniser
from framelens.services.transcripts import hear_video, report_ids, separate_speakers, transcript_of
from framelens.video.files import STANDARD_STREAM, check_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("video", metavar="VIDEO", help=t("cli.transcript_video"))
    add_range_options(parser)
    add_subtitles_option(parser)
    add_speakers_option(parser)
    parser.add_argument("--yes", action="store_true", help=t("cli.transcript_yes"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.transcript_quiet"))
    add_output_options(parser, None)


def run(given: argparse.Namespace) -> int:
    """Print a line for each passage, or a JSON object, and return the exit code.

    Raises:
        InputError: The video can't be read, or there is nothing to print: no subtitles, and no speech model or sound.
        AppError: The speech model can't be used.
        Cancelled: The user stopped the transcription; the next run continues there.
    """
    settings = config.load()
    use_language(given, settings)
    cancel = cancel_on_signals()
    with open_library(settings) as services:
        path, analysis = named_source(given.video, services)
        transcript, notices = transcript_of(
            path, analysis, i18n.language(), given.subtitles, lambda file: _hear(file, services, given, cancel)
        )
        if given.speakers is not None and path:
            transcript, more = _separate_speakers(path, transcript, services, given, cancel)
            notices = (*notices, *more)
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    cues = cues_between(transcript, given.start, float("inf") if given.end is None else given.end)
    if given.json:
        print_json(_document(transcript, cues))
    else:
        print(t(f"report.transcript_{transcript.source}", label=transcript.label), file=sys.stderr)
        if not cues:
            print(t("report.transcript_nothing"), file=sys.stderr)
        if transcript.speakers and transcript.speakers_guessed:
            print(t("cli.speakers_guessed", n=len(transcript.speakers)), file=sys.stderr)
        for cue in attributed(replace(transcript, cues=cues)):
            print(f"{clock(cue.start_seconds)}  {' '.join(cue.text.split())}")
    return 0


def _document(transcript: Transcript, cues: Sequence[Cue]) -> dict[str, object]:
    """Return the document for `--json`, with speakers if they are separated."""
    document: dict[str, object] = {"source": transcript.source, "label": transcript.label}
    if transcript.speakers:
        document["speakers_guessed"] = transcript.speakers_guessed
    named = ({**asdict(cue), "speaker": speaker_name(transcript, cue.speaker)} for cue in cues)
    left_out = () if transcript.speakers else ("speaker",)
    return {**document, "cues": [{key: one[key] for key in one if key not in left_out} for one in named]}


def _hear(path: Path, services: Services, given: argparse.Namespace, cancel: threading.Event) -> Found:
    """Transcribe the video with the speech model of the settings."""
    export_environment(services.settings)
    session = services.switcher.session
    local = local_recogniser(services.settings)

    def prepare() -> None:
        if local:
            settle_speech(local, cancel, confirmed=given.yes, quiet=given.quiet)

    with ProgressLine(quiet=given.quiet) as line:
        progress = ListeningProgress(local.name if local else services.settings.speech_model_path, line)
        return hear_video(
            path,
            session.transcription,
            session.extractions,
            span=(given.start, given.end),
            prepare=prepare,
            on_start=progress.begin,
            on_progress=progress.note,
            cancel=cancel,
        )


def _separate_speakers(
    path: Path, transcript: Transcript, services: Services, given: argparse.Namespace, cancel: threading.Event
) -> tuple[Transcript, tuple[Notice, ...]]:
    """Return the transcript with its speakers, after asking about models that must be downloaded."""
    export_environment(services.settings)
    if local := local_diariser(services.settings):
        settle_speech(local, cancel, confirmed=given.yes, quiet=given.quiet)
    session = services.switcher.session
    with ProgressLine(quiet=given.quiet) as line:
        return separate_speakers(
            path,
            transcript,
            given.speakers,
            session.transcription,
            session.extractions,
            span=(given.start, given.end),
            on_share=lambda share: line.show(t("cli.speakers_share", percent=round(100 * share)), "speakers"),
            cancel=cancel,
        )


def named_source(word: str, services: Services) -> tuple[Path | None, Analysis | None]:
    """Return the file that `word` names and the newest report on it, or no file and the report with this id."""
    word = registry.file_of(word)
    path = absolute(Path(typed_path(word)))
    if word != STANDARD_STREAM and not path.exists() and Path(word).name == word and not path.suffix:
        return None, services.jobs.snapshot(services.jobs.library.resolve_id(word)).analysis
    check_file(path)
    known = next(iter(report_ids(services.jobs, services.switcher.session.extractions, path)), None)
    return path, services.jobs.snapshot(known).analysis if known else None
