"""Every report is a pure function of an Analysis. To add one: a module with a `write`, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain import Analysis, Language
from app.reports import html, json_report, markdown
from app.reports.files import Entry


def _nothing(_: Analysis) -> Sequence[Entry]:
    return ()


@dataclass(frozen=True)
class ReportFormat:
    """`write(analysis, language)` gives the whole file. `suffix` has its dot. `use` says who it is for: people who
    read, an editing room or a player, programs. `beside(analysis)` are files that it refers to by these names.
    """

    suffix: str
    mime: str
    use: Literal["read", "cut", "program"]
    write: Callable[[Analysis, Language], bytes]
    beside: Callable[[Analysis], Sequence[Entry]] = _nothing


FORMATS: dict[str, ReportFormat] = {
    "markdown": ReportFormat(".md", "text/markdown", "read", markdown.write, markdown.pictures),
    "html": ReportFormat(".html", "text/html", "read", html.write),
    "json": ReportFormat(".json", "application/json", "program", json_report.write),
}


def format_of(file_name: str) -> str | None:
    """The format that a file of this name is to have; None where its ending says nothing."""
    fitting = [name for name, form in FORMATS.items() if file_name.lower().endswith(form.suffix)]
    return max(fitting, key=lambda name: len(FORMATS[name].suffix), default=None)


def files_of(name: str, analysis: Analysis, language: Language, file_name: str) -> Iterator[Entry]:
    """The files of one format: the report itself, which is called `file_name`, then what lies beside it."""
    form = FORMATS[name]
    yield Entry(file_name, form.write(analysis, language))
    yield from form.beside(analysis)


def all_files(analysis: Analysis, language: Language, stem: str) -> Iterator[Entry]:
    """Every format, what lies beside them, and all keyframes on one picture; their names are `stem` and a suffix."""
    from app.reports import contact_sheet  # draws, and what only names formats need not wait for that

    named: set[str] = set()
    for name, form in FORMATS.items():
        for file in files_of(name, analysis, language, stem + form.suffix):
            if file.name not in named:
                named.add(file.name)
                yield file
    if any(frame.jpeg for frame in analysis.keyframes):
        yield Entry(f"{stem}.contact-sheet.jpg", contact_sheet.write(analysis, language))
