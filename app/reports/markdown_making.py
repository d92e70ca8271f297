"""How a report was made, as Markdown: the file, the settings, and every request with its exact prompt."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain import Analysis, ChunkResult, Language
from app.i18n import t
from app.reports.making import facts_of_making
from app.reports.markdown_account import part_name
from app.reports.markdown_text import escape, fenced, table
from app.reports.parts import parts_of
from app.reports.words import named, troubles


def making(analysis: Analysis, language: Language) -> Iterator[str]:
    """The section, to its last prompt."""
    yield from (f"## {t('report.how', language)}", "")
    facts = [[t(f"report.{key}", language), escape(value)] for key, value in facts_of_making(analysis, language)]
    yield from table(["", ""], facts)
    if analysis.conditions:
        yield from (f"### {t('report.settings', language)}", "")
        settings = analysis.conditions.items()
        rows = [[escape(named("condition", key, language)), escape(value) or "—"] for key, value in settings]
        yield from table(["", ""], rows)
    requests = list(_requests(analysis, language))
    if requests:
        yield from (f"### {t('report.requests', language)}", "")
    for name, request in requests:
        yield from _request(name, request, language)


def _requests(analysis: Analysis, language: Language) -> Iterator[tuple[str, ChunkResult]]:
    """Each with its name: the parts, the joins on the way, the summary."""
    for part in parts_of(analysis):
        if part.result:
            yield part_name(part, language), part.result
    joins = (one for one in analysis.requests if one.number < 0)
    yield from ((t("report.join", language, n=place), join) for place, join in enumerate(joins, start=1))
    if analysis.summary:
        yield t("report.summary", language), analysis.summary


def _request(name: str, request: ChunkResult, language: Language) -> Iterator[str]:
    tokens = f"{request.usage.prompt_tokens:,} + {request.usage.completion_tokens:,} tokens"
    cost = t("report.recalled", language) if request.recalled else f"{request.seconds:.1f} s"
    again = t("report.attempts", language, n=request.attempts) if request.attempts > 1 else ""
    yield f"**{name}** ({', '.join(filter(None, (request.mode, tokens, cost, again)))})"
    yield ""
    for trouble in troubles(request, language):
        yield from (f"⚠️ {escape(trouble)}", "")
    yield from fenced(request.prompt)
