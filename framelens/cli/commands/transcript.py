"""Command `framelens transcript VIDEO`: prints the speech or subtitles of a video with their times.

Times count from the first picture, as in reports. A video without subtitles and without a report is
transcribed, if there is a speech model. No vision-language model is asked.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from framelens import config, i18n
from framelens.analysis.inputs.transcription import Found, cues_between
from framelens.cli.common import (
    cancel_on_signals,
    json_option,
    print_json,
    range_options,
    speakers_option,
    subtitles_option,
    use_language,
)
from framelens.cli.grammar import Options, argument, command, flag, option
from framelens.cli.listening import ListeningProgress, settle_speech
from framelens.cli.progress_lines import ProgressLine
from framelens.composition import Services, open_library
from framelens.config import Settings, export_environment
from framelens.core.domain import Analysis, Cue, Notice, Transcript
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import absolute, typed_path
from framelens.core.units import clock
from framelens.engine.recognisers import local_diariser, local_recogniser
from framelens.i18n import notice_text, t
from framelens.i18n.formatting import attributed, speaker_name
from framelens.jobs.stored.speakers import SpeakerSummary
from framelens.jobs.transcripts import hear_video, separate_speakers, transcript_of
from framelens.video.files import STANDARD_STREAM, check_file
from framelens.video.sources import file_of


def _parse_name(text: str) -> tuple[tuple[str, str]]:
    """Parse the name of a speaker, the only one of a list."""
    letter, equals, name = text.partition("=")
    if not equals:
        raise ConfigError("speaker_name_wrong", given=text)
    return ((letter, name),)


@command("transcript", help="cli.transcript_command")
@argument("video", metavar="VIDEO", help="cli.transcript_video")
@range_options
@subtitles_option
@speakers_option
@flag("--list-speakers", help="cli.transcript_list_speakers")
@option("--name", type=_parse_name, multiple=True, metavar="A=NAME", help="cli.transcript_name")
@flag("--yes", help="cli.transcript_yes")
@flag("--quiet", help="cli.transcript_quiet")
@json_option
def run(options: Options) -> int:
    """Print a line for each passage or speaker, or JSON, and return the exit code.

    Raises:
        InputError: The video can't be read, or there is nothing to print: no subtitles, and no speech model or sound;
            there is no such report or speaker, or no speakers were separated in it.
        AppError: The speech model can't be used.
        Cancelled: The user stopped the transcription; the next run continues there.
    """
    settings = config.load()
    use_language(options, settings)
    if options.name or options.list_speakers:
        return _list_speakers(options, settings)
    cancel = cancel_on_signals()
    with open_library(settings) as services:
        path, analysis = named_source(options.video, services)
        transcript, notices = transcript_of(
            path, analysis, i18n.language(), options.subtitles, lambda file: _hear(file, services, options, cancel)
        )
        if options.speakers is not None and path:
            transcript, added = _separate_speakers(path, transcript, services, options, cancel)
            notices = (*notices, *added)
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    cues = cues_between(transcript, options.start, float("inf") if options.end is None else options.end)
    if options.json:
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


def _list_speakers(options: Options, settings: Settings) -> int:
    """Print the speakers of a report, each on a line, after storing the given names."""
    with open_library(settings) as services:
        _, analysis = named_source(options.video, services)
        if analysis is None:
            raise InputError("speakers_absent", id=options.video)
        speakers = SpeakerSummary.all_of(analysis.transcript)
        if options.name or not speakers:
            speakers = services.reports.name_speakers(analysis.id, dict(options.name))
    if options.json:
        print_json([asdict(speaker) for speaker in speakers])
        return 0
    for speaker in speakers:
        times = {"time": clock(speaker.seconds), "first": clock(speaker.first_seconds)}
        print(f"{speaker.letter}  {speaker.name or '–'}  {t('cli.speakers_line', n=speaker.num_cues, **times)}")
    return 0


def _document(transcript: Transcript, cues: Sequence[Cue]) -> dict[str, object]:
    """Return the document for `--json`, with speakers if they are separated."""
    document: dict[str, object] = {"source": transcript.source, "label": transcript.label}
    if transcript.speakers:
        document["speakers_guessed"] = transcript.speakers_guessed
    rows = ({**asdict(cue), "speaker": speaker_name(transcript, cue.speaker)} for cue in cues)
    left_out = () if transcript.speakers else ("speaker",)
    return {**document, "cues": [{key: cue[key] for key in cue if key not in left_out} for cue in rows]}


def _hear(path: Path, services: Services, options: Options, cancel: threading.Event) -> Found:
    """Transcribe the video with the speech model of the settings."""
    export_environment(services.settings)
    session = services.switcher.session
    local = local_recogniser(services.settings)

    def prepare() -> None:
        if local:
            settle_speech(local, cancel, confirmed=options.yes, quiet=options.quiet)

    with ProgressLine(quiet=options.quiet) as line:
        progress = ListeningProgress(local.name if local else services.settings.speech_model_path, line)
        return hear_video(
            path,
            session.transcription,
            session.extractions,
            span=(options.start, options.end),
            prepare=prepare,
            on_start=progress.begin,
            on_progress=progress.note,
            cancel=cancel,
        )


def _separate_speakers(
    path: Path, transcript: Transcript, services: Services, options: Options, cancel: threading.Event
) -> tuple[Transcript, tuple[Notice, ...]]:
    """Return the transcript with its speakers, after asking about models that must be downloaded."""
    export_environment(services.settings)
    if local := local_diariser(services.settings):
        settle_speech(local, cancel, confirmed=options.yes, quiet=options.quiet)
    session = services.switcher.session
    with ProgressLine(quiet=options.quiet) as line:
        return separate_speakers(
            path,
            transcript,
            options.speakers,
            session.transcription,
            session.extractions,
            span=(options.start, options.end),
            on_share=lambda share: line.show(t("cli.speakers_share", percent=round(100 * share)), "speakers"),
            cancel=cancel,
        )


def named_source(word: str, services: Services) -> tuple[Path | None, Analysis | None]:
    """Return the file that `word` names and the newest report on it, or no file and the report with this id."""
    word = file_of(word)
    path = absolute(Path(typed_path(word)))
    if word != STANDARD_STREAM and not path.exists() and Path(word).name == word and not path.suffix:
        return None, services.jobs.snapshot(services.jobs.library.resolve_id(word)).analysis
    check_file(path)
    job_id = next(iter(services.jobs.reports_on_file(services.switcher.session.extractions, path)), None)
    return path, services.jobs.snapshot(job_id).analysis if job_id else None
