"""Provenance of a report: the file, the frames, the layout of the requests, the settings, and every request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import streamlit as st

from app.core import Analysis, ChunkResult
from app.i18n import sentences
from app.reports.content import RequestPart, named, parts_of, provenance_facts, troubles
from app.ui.components import tables
from app.ui.context import language, t
from app.ui.formatting import local_time
from app.ui.view_models import format_span

_COLUMNS = ("request", "time", "frames", "tokens", "seconds", "attempts", "notes")
_NUMBERS = (2, 3, 4, 5)


def draw(analysis: Analysis) -> None:
    """Draw facts, settings, requests, and the prompt of a chosen request."""
    with st.container(border=True, gap="small"):
        for key, value in provenance_facts(analysis, language()):
            label, shown = st.columns([1, 3])
            label.caption(t(f"report.{key}"))
            shown.text(value.replace(analysis.created, local_time(analysis.created)))
    if analysis.conditions:
        st.markdown(f"##### {t('report.settings')}")
        heads = [t(f"ui.changed_{column}") for column in ("setting", "then")]
        settings = [[named("condition", name, language()), value or "—"] for name, value in analysis.conditions.items()]
        tables.draw_table(heads, settings, key="conditions")
    if requests := analysis.requests:
        st.markdown(f"##### {t('report.requests')}")
        heads = [t(f"ui.requests_{column}") for column in _COLUMNS]
        parts = parts_of(analysis)
        names = request_names(parts, analysis.joins)
        rows = list(_requests(requests, parts, names, analysis.decode.readable_seconds))
        tables.draw_table(heads, rows, key="requests", numbers=_NUMBERS)
        _draw_prompt(requests, names)


@st.fragment
def _draw_prompt(requests: tuple[ChunkResult, ...], names: dict[int, str]) -> None:
    """Draw one prompt at a time: those of a long video are as long as a book."""
    by_number = {request.number: request for request in requests}
    number = st.selectbox(
        t("ui.requests_prompt"), list(by_number), format_func=lambda number: names[number], key="prompt_of"
    )
    st.code(by_number[number].prompt, language=None, wrap_lines=True, height=420)


def request_names(parts: Iterable[RequestPart], joins: Iterable[ChunkResult]) -> dict[int, str]:
    """Map each request's number to its name: parts and merges by place, the summary."""
    numbers = sorted((join.number for join in joins), reverse=True)
    return {
        **{part.number: t("ui.answer_part", n=part.place) for part in parts},
        **{number: t("ui.requests_join", n=place) for place, number in enumerate(numbers, start=1)},
        0: t("report.summary"),
    }


def _requests(
    requests: Iterable[ChunkResult], parts: Iterable[RequestPart], names: dict[int, str], whole_seconds: float
) -> Iterator[list[str]]:
    spans = {part.number: format_span(part.start_seconds, part.end_seconds, whole_seconds) for part in parts}
    for request in requests:
        notes = [t("report.recalled")] if request.recalled else []
        yield [
            names[request.number],
            spans.get(request.number, ""),
            str(len(request.frames)) if request.number > 0 else "",
            f"{request.usage.prompt_tokens:,} + {request.usage.completion_tokens:,}",
            f"{request.seconds:.1f}",
            str(request.attempts),
            sentences([*notes, *troubles(request, language())], language()),
        ]
