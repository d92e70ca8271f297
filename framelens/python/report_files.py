"""Reports of analyses in every format that `framelens export` knows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from framelens.core.corrections import CorrectionKind
from framelens.core.domain import Analysis, Language
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import given_path, is_same_file
from framelens.jobs.stored.corrections import Draft, corrected_by
from framelens.jobs.stored.report_import import reports_in
from framelens.python.messages import checked_language, localised
from framelens.reports.files import written
from framelens.reports.formats import FORMATS as _FORMATS
from framelens.reports.formats import files_of, format_of
from framelens.store.fs_utils import storage_errors

FORMATS: tuple[str, ...] = tuple(_FORMATS)
"""Names of all formats."""


def report(
    analysis: Analysis | str | os.PathLike[str],
    format: str = "markdown",
    *,
    language: Language | None = None,
    conversations: bool = True,
    appendix: bool = False,
) -> bytes:
    """Return the report of an analysis as the bytes of one file.

    A Markdown report refers to pictures in files beside it, which `save_report` writes.

    Args:
        analysis: The analysis, or the path of a JSON report.
        format: One of FORMATS.
        language: Language of the report; by default the analysis's.
        conversations: Write the questions and answers that the analysis has from a JSON report or `with_conversations`.
        appendix: Add the full record to PDF, DOCX, HTML or Markdown, which are short without it.

    Raises:
        ConfigError: The format or the language is unknown.
        InputError: The file is no report, or the report would be empty in this format.
    """
    with localised(_language_of(analysis, language)):
        name = _format_named(format)
        analysis = _read_analysis(analysis, conversations)
        report_language = language or analysis.request.language
        files = files_of(name, analysis, report_language, f"report{_FORMATS[name].suffix}", appendix=appendix)
        return next(files).data


def save_report(
    analysis: Analysis | str | os.PathLike[str],
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    language: Language | None = None,
    conversations: bool = True,
    appendix: bool = False,
) -> list[Path]:
    """Write the report of an analysis with the files that it refers to, and return their paths.

    Args:
        analysis: The analysis, or the path of a JSON report.
        path: The file; an existing file is replaced.
        format: One of FORMATS; by default the ending of the file's name, such as "talk.pdf".
        language: Language of the report; by default the analysis's.
        conversations: Write the questions and answers that the analysis has from a JSON report or `with_conversations`.
        appendix: Add the full record to PDF, DOCX, HTML or Markdown, which are short without it.

    Raises:
        ConfigError: The format or the language is unknown, or the file is the video itself.
        InputError: The file is no report, or the report would be empty in this format.
        StorageError: A file can't be written.
    """
    with localised(_language_of(analysis, language)):
        target = given_path(path)
        name = _format_named(format or format_of(target.name) or target.suffix or target.name)
        analysis = _read_analysis(analysis, conversations)
        if is_same_file(target, analysis.video.path):
            raise ConfigError("output_is_input", option="path", given=str(target), input=str(analysis.video.path))
        report_language = language or analysis.request.language
        files = files_of(name, analysis, report_language, target.name, appendix=appendix)
        with storage_errors("report_not_written", target):
            return [target.parent / file.name for file in written(files, target.parent)]


def correct(
    analysis: Analysis,
    key: str,
    text: str | None,
    *,
    frames: Sequence[int] = (),
    time_seconds: float | None = None,
    on: str = "",
    author: str = "",
    language: Language | None = None,
) -> Analysis:
    """Return an analysis in which a person has written something else; the model's words stay in it.

    Args:
        analysis: The analysis, which is unchanged; nothing is stored.
        key: The sentence as `framelens library correct ID` lists it, such as "f2" for the second finding, "title" or
            "note"; "" adds a finding.
        text: The new text; None strikes the sentence, or leaves out a chapter ("c1") or a picture ("p1").
        frames: Numbers of the keyframes that the text rests on, by default those of the sentence.
        time_seconds: A time that it rests on instead.
        on: The sentence that an addition remarks on; by default it is a finding of its own.
        author: Name of the person, which every report shows with the text.
        language: Language of error messages; by default the analysis's.

    Raises:
        InputError: There is no such sentence or frame, or the text is empty or too long.
    """
    with localised(_language_of(analysis, language)):
        kind: CorrectionKind = "strike" if text is None else "replace" if key else "add"
        return corrected_by(analysis, [Draft(kind, key or on, text or "", tuple(frames), time_seconds)], author)


def load_reports(path: str | os.PathLike[str], *, language: Language | None = None) -> list[Analysis]:
    """Read the analyses in a JSON report, or in a ZIP of such reports.

    Args:
        path: The file. It needn't be trusted: it is read in a process of its own with limited memory.
        language: Language of error messages; by default FRAMELENS_LANGUAGE, or else the system's.

    Raises:
        InputError: The file can't be read or is no report.
    """
    with localised(checked_language(language)):
        return list(reports_in([given_path(path)]))


def _language_of(analysis: object, language: Language | None) -> Language:
    return checked_language(language, analysis.request.language if isinstance(analysis, Analysis) else None)


def _format_named(format: str) -> str:
    if format not in _FORMATS:
        raise ConfigError("formats_unknown", given=format, known=", ".join(_FORMATS))
    return format


def _read_analysis(analysis: Analysis | str | os.PathLike[str], conversations: bool) -> Analysis:
    if isinstance(analysis, Analysis):
        return analysis if conversations else analysis.without_conversations()
    reports = load_reports(analysis)
    if len(reports) != 1:
        raise InputError("reports_several", name=Path(analysis).name, count=len(reports))
    return _read_analysis(reports[0], conversations)
