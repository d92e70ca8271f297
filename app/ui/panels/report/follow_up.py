"""Follow-up question about the same frames of a finished report.

It may use another question, template or model, and is opened alone or compared with the open report.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.core.domain import AnalysisRequest, Language
from app.core.errors import InputError
from app.i18n import t
from app.reports.content.labels import named
from app.ui.formatting import plain
from app.ui.panels.models import missing_model
from app.ui.panels.report.comparison import draw_other_model, template_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services.container import Services


def draw(services: Services, job: JobSnapshot, language: Language) -> None:
    """Draw the button that opens the form, filled with the report's request."""
    with st.popover(t("ui.another", language), icon=":material/quiz:"):
        st.caption(t("ui.another_why", language))
        templates = list(services.templates.by_key)
        asked = job.request.template
        st.selectbox(
            t("ui.template", language),
            templates,
            index=templates.index(asked) if asked in templates else 0,
            format_func=lambda key: template_name(services, key, language),
            key=f"another_template_{job.id}",
        )
        st.text_area(
            t("ui.question_optional", language),
            job.request.question,
            key=f"another_question_{job.id}",
            max_chars=4000,
            height=96,
        )
        if changes := services.jobs.changes(job.id):
            names = ", ".join(named("condition", name, language) for name in changes)
            st.caption(plain(t("ui.another_changed", language, names=names)))
        now = missing_model.ready(services)
        if now.kind == "ready":
            _draw_buttons(services, job, language)
        else:
            missing_model.draw_short(now, language, key="another_choose")
        draw_other_model(language, key="another_model")


def _draw_buttons(services: Services, job: JobSnapshot, language: Language) -> None:
    with st.container(horizontal=True):
        for key, compares in (("another_compare", True), ("another_ask", False)):
            st.button(
                t(f"ui.{key}", language),
                key=key,
                type="primary" if compares else "secondary",
                on_click=_ask,
                args=(services, job, compares),
            )


def _ask(services: Services, job: JobSnapshot, compares: bool) -> None:
    state = page_state()
    with state.catching_errors():
        new = services.jobs.submit(_request(services, job), name=job.name, follows=job.id)
        if new == job.id:
            raise InputError("nothing_new")
        state.open_job(new)
        if compares:
            state.compare_with(job.id)


def _request(services: Services, job: JobSnapshot) -> AnalysisRequest:
    """Build the request with the same selection, so that nothing is decoded again.

    Raises:
        InputError: The template needs a question.
    """
    template = st.session_state[f"another_template_{job.id}"]
    question = st.session_state[f"another_question_{job.id}"].strip()
    if services.templates.find(template).needs_question and not question:
        raise InputError("question_empty")
    return replace(job.request, template=template, question=question, use_model=True)
