"""Texts of anybody on one line each, with what must be known of them: for formats where a line break has a meaning."""

from __future__ import annotations

from app.domain import Analysis, Finding, Language
from app.i18n import notice_text, t
from app.reports.content.labels import ai_label, issues
from app.reports.content.plain_text import printable


def one_line(text: str) -> str:
    """The text without line breaks, and without anything that cannot be seen."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """One line of at most `most` characters; "…" stands for what is left out."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def said(finding: Finding, language: Language) -> str:
    """What a finding says, and behind it what could not be verified."""
    text = one_line(finding.text)
    doubts = ", ".join(issues(finding, language))
    return f"{text} ⚠️ {t('report.unverified', language, issues=doubts)}".strip() if doubts else text


def remarks(analysis: Analysis, language: Language) -> tuple[str, ...]:
    """What must be known first: what went wrong, and that a model wrote the texts. Empty where neither is so."""
    warnings = [notice for notice in analysis.notices if notice.level != "info"]
    texts = [notice_text(notice, language) for notice in warnings]
    return tuple(one_line(text) for text in (*texts, ai_label(analysis, language)) if text)
