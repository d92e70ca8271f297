"""Transcripts of videos with or without a report."""

import threading
from collections.abc import Callable
from pathlib import Path

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.analysis.inputs.transcription import Found, OnProgress, OnShare, Transcription
from framelens.core.domain import Analysis, Language, Notice, SpeechSpans, Transcript
from framelens.core.errors import AppError, ConfigError, InputError
from framelens.core.files import readable
from framelens.engine.recognisers import has_recogniser
from framelens.video.extractor import probe, subtitles_of
from framelens.video.files import check_file
from framelens.video.subtitles.discovery import check_subtitle_file

Hear = Callable[[Path], Found]
"""Transcribes what is said in a video. Raises AppErrors."""


def transcript_of(
    path: Path | None,
    analysis: Analysis | None,
    language: Language,
    subtitles: Path | None = None,
    hear: Hear | None = None,
) -> tuple[Transcript, tuple[Notice, ...]]:
    """Return the subtitles given, else the transcript in a report, else the subtitles in the file and beside it.

    Args:
        path: The video, None if it can't be read.
        analysis: The report on it, None without a report.
        language: Language of the subtitles that are preferred.
        subtitles: Subtitle file to use before all others.
        hear: Used for a video without any of these; None to transcribe nothing.

    Returns:
        The transcript, and notices about the subtitles.

    Raises:
        ConfigError: Subtitles are given for a video that can't be read.
        InputError: There is neither a transcript nor a readable subtitle, or the file can't be read.
        AppError: What `hear` raises.
    """
    if subtitles:
        if path is None:
            raise ConfigError("subtitles_alone")
        subtitles = check_subtitle_file(subtitles)
    elif analysis and analysis.transcript:
        return analysis.transcript, ()
    notices: tuple[Notice, ...] = ()
    if path:
        check_file(path)
        transcript, notices = subtitles_of(path, language, subtitles=subtitles)
        if not transcript and hear:
            transcript, notices = _heard(path, hear, notices)
        if transcript:
            return transcript, notices
    name = readable(path.name) if path else analysis.video.name if analysis else ""
    error = InputError("no_transcript", name=name)
    error.notices = notices
    raise error


def _heard(path: Path, hear: Hear, notices: tuple[Notice, ...]) -> Found:
    """Transcribe a video and prepend `notices` to the notices of the result, or add them to an error."""
    try:
        transcript, added = hear(path)
    except AppError as error:
        error.notices = notices
        raise
    return transcript, (*notices, *added)


def hear_video(
    path: Path,
    transcription: Transcription,
    extractions: ExtractionCache,
    *,
    span: tuple[float, float | None] = (0.0, None),
    prepare: Callable[[], object],
    on_start: Callable[[float, float, float | None, SpeechSpans | None], object],
    on_progress: OnProgress,
    cancel: threading.Event,
) -> Found:
    """Transcribe a video, or return the transcript that is cached; None without a speech model.

    Args:
        path: The video.
        transcription: The transcriber.
        extractions: Reader of videos, which knows the hashes of files.
        span: Start, and end or None for the video's.
        prepare: Called if the video has sound, before the model is used.
        on_start: As in Transcription, with the end of the sound in seconds in between.
        on_progress: See Transcription.
        cancel: Ends it within half a second; another call continues where it ended.

    Raises:
        ConfigError: No plugin transcribes.
        InputError: The video has no sound.
        AppError: The model can't be used, or the video can't be read.
        Cancelled: `cancel` was set.
    """
    info = probe(path)
    if not info.has_audio:
        raise InputError("no_sound", name=readable(path.name))
    if transcription.recogniser is None:
        if not has_recogniser():
            raise ConfigError("speech_without_plugin")
        return None, ()
    prepare()
    end = span[1] if span[1] is not None else info.duration_seconds_from_header or 0.0
    return transcription.hear(
        info,
        span,
        sha256=lambda: extractions.sha256(path),
        cancel=cancel,
        on_start=lambda start, pace, speech: on_start(start, max(start, end), pace, speech),
        on_progress=on_progress,
    )


def separate_speakers(
    path: Path,
    transcript: Transcript,
    num_speakers: int,
    transcription: Transcription,
    extractions: ExtractionCache,
    *,
    span: tuple[float, float | None] = (0.0, None),
    on_share: OnShare,
    cancel: threading.Event,
) -> tuple[Transcript, tuple[Notice, ...]]:
    """Return the transcript of a video with its speakers; see Transcription.separate_speakers.

    Raises:
        InputError: The video can't be read.
        Cancelled: `cancel` was set.
    """
    return transcription.separate_speakers(
        probe(path),
        transcript,
        span,
        num_speakers,
        sha256=lambda: extractions.sha256(path),
        cancel=cancel,
        on_share=on_share,
    )
