"""Transcripts of videos with or without a report. Speech is transcribed by analyses alone."""

from pathlib import Path

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.core.domain import Analysis, Language, Notice, Transcript
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import readable
from framelens.jobs.queue import Jobs
from framelens.video.extractor import subtitles_of
from framelens.video.files import check_file
from framelens.video.subtitles.discovery import check_subtitle_file


def report_ids(jobs: Jobs, extractions: ExtractionCache, path: Path) -> list[str]:
    """List the ids of the reports on the content of a file, the newest first."""
    jobs.indexing.catch_up()
    sha256 = extractions.sha256(path)
    return jobs.library.reports_on(sha256=sha256)


def transcript_of(
    path: Path | None, analysis: Analysis | None, language: Language, subtitles: Path | None = None
) -> tuple[Transcript, tuple[Notice, ...]]:
    """Return the subtitles given, else the transcript in a report, else the subtitles in the file and beside it.

    Args:
        path: The video, None if it can't be read.
        analysis: The report on it, None without one.
        language: Language of the subtitles that are preferred.
        subtitles: Subtitle file to use before all others.

    Returns:
        The transcript, and notices about the subtitles.

    Raises:
        ConfigError: Subtitles are given for a video that can't be read.
        InputError: There is neither a transcript nor a readable subtitle, or the file can't be read.
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
        found, notices = subtitles_of(path, language, given=subtitles)
        if found:
            return found, notices
    name = readable(path.name) if path else analysis.video.name if analysis else ""
    raise InputError("no_transcript", name=name)
