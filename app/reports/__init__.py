"""Every report is a pure function of an Analysis. To add one: a module with a `write`, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.domain import Analysis, Language
from app.reports import json_report, markdown


@dataclass(frozen=True)
class ReportFormat:
    """`write(analysis, language)` gives the whole file. `suffix` has its dot."""

    suffix: str
    mime: str
    write: Callable[[Analysis, Language], bytes]


FORMATS: dict[str, ReportFormat] = {
    "markdown": ReportFormat(".md", "text/markdown", markdown.write),
    "json": ReportFormat(".json", "application/json", json_report.write),
}
