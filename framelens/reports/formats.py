"""Registry of report formats, each a pure function of an Analysis.

To add a format, write a module with a `write` function and add one entry to FORMATS, here or in a plugin. The JSON
report can be imported on another machine; every other format can be generated from it there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from framelens import registry
from framelens.core.domain import Analysis, Language
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import name_key, numbered, safe_stem, single_line
from framelens.core.installation import require
from framelens.i18n import error_text
from framelens.reports.files import ReportFile
from framelens.reports.format import ReportFormat, lazy

ALL = "all"
"""Name of all formats together, which no format can have."""
FORMATS: dict[str, ReportFormat] = {
    "html": ReportFormat(".html", "text/html", "read", lazy("framelens.reports.text.html:write"), has_appendix=True),
    "markdown": ReportFormat(
        ".md",
        "text/markdown",
        "read",
        lazy("framelens.reports.text.markdown:write"),
        lazy("framelens.reports.text.markdown:pictures"),
        has_appendix=True,
    ),
    "pdf": ReportFormat(
        ".pdf",
        "application/pdf",
        "read",
        partial(lazy("framelens.reports.document_worker:write"), "pdf", "framelens.reports.pdf.report:write"),
        has_appendix=True,
        check=partial(require, "typst", "pypdf", "uharfbuzz"),
    ),
    "docx": ReportFormat(
        ".docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "read",
        partial(lazy("framelens.reports.document_worker:write"), "docx", "framelens.reports.docx.report:write"),
        has_appendix=True,
        check=partial(require, "docx"),
    ),
    "srt": ReportFormat(
        ".srt",
        "application/x-subrip",
        "play",
        lazy("framelens.reports.subtitles:write_srt"),
        fits=lazy("framelens.reports.subtitles:has_findings"),
    ),
    "vtt": ReportFormat(
        ".vtt",
        "text/vtt",
        "play",
        lazy("framelens.reports.subtitles:write_vtt"),
        fits=lazy("framelens.reports.subtitles:has_findings"),
    ),
    "transcript_srt": ReportFormat(
        ".transcript.srt",
        "application/x-subrip",
        "play",
        lazy("framelens.reports.subtitles:write_transcript_srt"),
        fits=lazy("framelens.reports.subtitles:has_transcript"),
    ),
    "transcript_vtt": ReportFormat(
        ".transcript.vtt",
        "text/vtt",
        "play",
        lazy("framelens.reports.subtitles:write_transcript_vtt"),
        fits=lazy("framelens.reports.subtitles:has_transcript"),
    ),
    "transcript_ass": ReportFormat(
        ".transcript.ass",
        "text/x-ssa",
        "play",
        lazy("framelens.reports.subtitles:write_transcript_ass"),
        fits=lazy("framelens.reports.subtitles:has_transcript"),
    ),
    "csv": ReportFormat(".csv", "text/csv", "program", lazy("framelens.reports.text.csv_table:write")),
    "json": ReportFormat(".json", "application/json", "program", lazy("framelens.reports.json.writer:write")),
}


def _of_plugins() -> Iterator[tuple[str, ReportFormat]]:
    """Yield the formats of plugins by name, without those that take the name or suffix of another format."""
    suffixes = {form.suffix for form in FORMATS.values()}
    for part in registry.unique("report_formats", (*FORMATS, ALL)):
        form: ReportFormat = part.value
        if form.suffix in suffixes:
            part.leave_out(f"another format has the suffix {form.suffix}", f"format {part.name}")
            continue
        suffixes.add(form.suffix)
        functions: dict[str, Any] = {name: part.guard(getattr(form, name)) for name in ("write", "beside", "check")}
        yield part.name, replace(form, fits=_without_failures(part), **functions)


def _without_failures(part: registry.PluginPart) -> Callable[[Analysis], bool]:
    """Return a check that is true if the plugin's own fails, so that the format is written and states the error."""
    fits = part.guard(part.value.fits)

    def checked(analysis: Analysis) -> bool:
        try:
            return bool(fits(analysis))
        except InputError as error:
            part.leave_out(str(error.values.get("reason", error)), f"fits of format {part.name}")
            return True

    return checked


FORMATS |= dict(_of_plugins())


def format_of(file_name: str) -> str | None:
    """Return the format that matches the suffix of a file name, or None."""
    fitting = [name for name, form in FORMATS.items() if file_name.lower().endswith(form.suffix)]
    return max(fitting, key=lambda name: len(FORMATS[name].suffix), default=None)


def format_named(text: str) -> str:
    """Return the format that a user names, also by its suffix or in capital letters; else `text`."""
    name = text.strip().lower()
    return name if name in FORMATS else format_of(f".{name.removeprefix('.')}") or text


def usable_format(text: str) -> str:
    """Return the format that a user names, like `format_named`.

    Raises:
        ConfigError: The format can't be written here, such as for want of a package.
    """
    name = format_named(text)
    if name in FORMATS:
        FORMATS[name].check()
    return name


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats named in a text, with commas between them; "all" names every format that can be written here.

    Raises:
        ConfigError: A format is unknown, or can't be written here.
    """
    if text == ALL:
        return tuple(_usable())
    names = tuple(dict.fromkeys(usable_format(name) for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise ConfigError("formats_unknown", given=", ".join(unknown) or text, known=", ".join((*FORMATS, ALL)))
    return names


def _usable() -> Iterator[str]:
    for name in FORMATS:
        with suppress(ConfigError):
            yield usable_format(name)


def files_of(
    name: str, analysis: Analysis, language: Language, file_name: str, *, appendix: bool = False
) -> Iterator[ReportFile]:
    """Yield the files of a format: the report itself as `file_name`, then the files it refers to.

    Args:
        name: A key of FORMATS.
        analysis: The analysis.
        language: The language of the report.
        file_name: The name of the report's file.
        appendix: Add the full record to a document; other formats have it anyway.

    Raises:
        InputError: The report would have no content.
    """
    form = FORMATS[name]
    if not form.fits(analysis):
        raise InputError("report_empty", name=analysis.video.name, format=name)
    yield ReportFile(file_name, form.to_bytes(analysis, language, appendix=appendix))
    yield from form.beside(analysis, appendix=appendix)


def all_files(analysis: Analysis, language: Language, stem: str) -> Iterator[ReportFile]:
    """Yield the report in every format that fits, the files they refer to, and a contact sheet, named after `stem`.

    Documents have their appendix. A text file lists the formats that could not be made, and why.
    """
    from framelens.reports.graphics import contact_sheet  # imports Pillow, which listing the formats doesn't need

    names: set[str] = set()
    missing: list[str] = []
    for name, form in FORMATS.items():
        try:
            file_name = stem + form.suffix
            files = list(files_of(name, analysis, language, file_name, appendix=True)) if form.fits(analysis) else []
        except InputError as error:  # a PDF may be too heavy
            missing.append(f"{stem}{form.suffix}: {single_line(error_text(error, language))}\n")
            continue
        for file in files:
            if file.name not in names:
                names.add(file.name)
                yield file
    if missing:
        yield ReportFile(f"{stem}.missing.txt", "".join(missing).encode())
    if any(frame.jpeg for frame in analysis.keyframes):
        yield ReportFile(f"{stem}.contact-sheet.jpg", contact_sheet.write(analysis, language))


def bundle(
    analyses: Iterable[Analysis],
    formats: Sequence[str],
    language: Language | None = None,
    *,
    is_free: Callable[[str], bool] = lambda name: True,
    appendix: bool = False,
) -> Iterator[ReportFile]:
    """Yield the reports of several analyses, named after their videos.

    A number is added to a name that was used already or is not free. A format without content is left out if another
    format has content.

    Args:
        analyses: The analyses, in the order of the files.
        formats: Keys of FORMATS.
        language: The language of all reports; None for each request's.
        is_free: Returns whether a file name may be used.
        appendix: Add the full record to documents.

    Raises:
        InputError: None of the formats has any content for an analysis; or a plugin failed, once all others are made.
    """
    used_names: set[str] = set()
    failed: InputError | None = None
    for analysis in analyses:
        stem = _stem(analysis, formats, lambda name: name_key(name) not in used_names and is_free(name))
        for name in [name for name in formats if FORMATS[name].fits(analysis)] or formats:
            file_name = stem + FORMATS[name].suffix
            used_names.add(name_key(file_name))
            report_language = language or analysis.request.language
            try:
                yield from files_of(name, analysis, report_language, file_name, appendix=appendix)
            except InputError as error:
                if error.key != "plugin_failed":
                    raise
                failed = error
    if failed:
        raise failed


def _stem(analysis: Analysis, formats: Sequence[str], is_free: Callable[[str], bool]) -> str:
    stems = numbered(safe_stem(analysis.video.name))
    return next(stem for stem in stems if all(is_free(stem + FORMATS[name].suffix) for name in formats))
