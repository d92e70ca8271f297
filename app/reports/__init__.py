"""Every report is a pure function of an Analysis. To add one: a module with a `write`, and one line here.

A JSON report is always what can be taken in again elsewhere; all other formats can be made of it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, count
from typing import Any, Literal

from app.domain import Analysis, Language
from app.errors import InputError
from app.file_names import safe_stem
from app.reports.files import Entry

Use = Literal["read", "cut", "program"]
"""Whom a format is for: people who read, players and editing rooms, spreadsheets and programs."""


def _of(module: str, name: str = "write") -> Callable[..., Any]:
    """Return the function `name` of app.reports.`module`, which is imported with its first call: who only names formats
    need not wait for what writes them.
    """

    def called(*arguments: Any) -> Any:
        return getattr(import_module(f"app.reports.{module}"), name)(*arguments)

    return called


def _nothing(_: Analysis) -> Sequence[Entry]:
    return ()


def _always(_: Analysis) -> bool:
    return True


@dataclass(frozen=True)
class ReportFormat:
    """`write(analysis, language)` gives the whole file. `suffix` has its dot. `beside(analysis)` are files that it
    refers to by these names. `fits(analysis)` says whether it would have anything to say.
    """

    suffix: str
    mime: str
    use: Use
    write: Callable[[Analysis, Language], bytes]
    beside: Callable[[Analysis], Sequence[Entry]] = _nothing
    fits: Callable[[Analysis], bool] = _always


FORMATS: dict[str, ReportFormat] = {
    "html": ReportFormat(".html", "text/html", "read", _of("text.html")),
    "markdown": ReportFormat(".md", "text/markdown", "read", _of("text.markdown"), _of("text.markdown", "pictures")),
    "pdf": ReportFormat(".pdf", "application/pdf", "read", _of("pdf.report")),
    "docx": ReportFormat(
        ".docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "read",
        _of("docx.report"),
    ),
    "srt": ReportFormat(
        ".srt", "application/x-subrip", "cut", _of("subtitles", "write_srt"), fits=_of("subtitles", "are_seen")
    ),
    "vtt": ReportFormat(".vtt", "text/vtt", "cut", _of("subtitles", "write_vtt"), fits=_of("subtitles", "are_seen")),
    "transcript_srt": ReportFormat(
        ".transcript.srt",
        "application/x-subrip",
        "cut",
        _of("subtitles", "write_transcript_srt"),
        fits=_of("subtitles", "are_heard"),
    ),
    "transcript_vtt": ReportFormat(
        ".transcript.vtt",
        "text/vtt",
        "cut",
        _of("subtitles", "write_transcript_vtt"),
        fits=_of("subtitles", "are_heard"),
    ),
    "youtube": ReportFormat(
        ".youtube.txt",
        "text/plain",
        "cut",
        _of("timeline.chapters", "write_youtube"),
        fits=_of("timeline.chapters", "fits_youtube"),
    ),
    "ffmetadata": ReportFormat(
        ".ffmetadata",
        "text/plain",
        "cut",
        _of("timeline.chapters", "write_ffmetadata"),
        fits=_of("timeline.chapters", "fits_ffmetadata"),
    ),
    "edl": ReportFormat(".edl", "text/plain", "cut", _of("timeline.edl"), fits=_of("timeline.markers", "fits")),
    "xml": ReportFormat(
        ".xml", "application/xml", "cut", _of("timeline.fcp7_xml"), fits=_of("timeline.markers", "fits")
    ),
    "otio": ReportFormat(
        ".otio", "application/json", "cut", _of("timeline.otio"), fits=_of("timeline.markers", "fits")
    ),
    "csv": ReportFormat(".csv", "text/csv", "program", _of("text.csv_table")),
    "json": ReportFormat(".json", "application/json", "program", _of("json.writer")),
}


def format_of(file_name: str) -> str | None:
    """The format that a file of this name is to have; None where its ending says nothing."""
    fitting = [name for name, form in FORMATS.items() if file_name.lower().endswith(form.suffix)]
    return max(fitting, key=lambda name: len(FORMATS[name].suffix), default=None)


def files_of(name: str, analysis: Analysis, language: Language, file_name: str) -> Iterator[Entry]:
    """The files of one format: the report itself, which is called `file_name`, then what lies beside it. Raises
    InputError where the report would have nothing to say.
    """
    form = FORMATS[name]
    if not form.fits(analysis):
        raise InputError("report_empty", name=analysis.video.name, format=name)
    yield Entry(file_name, form.write(analysis, language))
    yield from form.beside(analysis)


def all_files(analysis: Analysis, language: Language, stem: str) -> Iterator[Entry]:
    """Every format that fits, what lies beside them, and all keyframes on one picture; named by `stem` and a suffix."""
    from app.reports.graphics import contact_sheet  # draws, and what only names formats need not wait for that

    named: set[str] = set()
    for name, form in FORMATS.items():
        for file in files_of(name, analysis, language, stem + form.suffix) if form.fits(analysis) else ():
            if file.name not in named:
                named.add(file.name)
                yield file
    if any(frame.jpeg for frame in analysis.keyframes):
        yield Entry(f"{stem}.contact-sheet.jpg", contact_sheet.write(analysis, language))


def bundle(
    analyses: Iterable[Analysis],
    formats: Sequence[str],
    language: Language | None = None,
    *,
    is_free: Callable[[str], bool] = lambda name: True,
) -> Iterator[Entry]:
    """The files, one after the other. They are called as the video is; where such a name was given already, or is not
    `is_free`, a number follows. `language` None leaves each report in its own. A format that would have nothing to say
    is left out beside others; alone it raises InputError.
    """
    given: set[str] = set()
    for analysis in analyses:
        stem = _stem(analysis, formats, lambda name: name not in given and is_free(name))
        for name in [name for name in formats if FORMATS[name].fits(analysis)] or formats:
            file_name = stem + FORMATS[name].suffix
            given.add(file_name)
            yield from files_of(name, analysis, language or analysis.request.language, file_name)


def _stem(analysis: Analysis, formats: Sequence[str], is_free: Callable[[str], bool]) -> str:
    usual = safe_stem(analysis.video.name)
    stems = chain([usual], (f"{usual}-{number}" for number in count(2)))
    return next(stem for stem in stems if all(is_free(stem + FORMATS[name].suffix) for name in formats))
