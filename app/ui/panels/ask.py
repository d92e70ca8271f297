"""What to ask, of how many frames, in which language; and the one button that starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.prompts import TEMPLATES
from app.domain import AnalysisRequest, Language
from app.errors import AppError, InputError
from app.i18n import LANGUAGES, t
from app.ui.panels import engine
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.wiring import Services

MOST_FRAMES = 64
_SAME_AS_PAGE = "page"


def draw(services: Services, language: Language, *, can_start: bool) -> None:
    """The questions. Their values survive a change of language and the time while they are not drawn."""
    st.selectbox(
        t("ui.template", language),
        list(TEMPLATES),
        format_func=lambda key: t(f"template.{key}", language),
        key="template",
        persist_state="session",
    )
    needs_question = TEMPLATES[st.session_state["template"]].needs_question
    st.text_area(
        t("ui.question_needed" if needs_question else "ui.question_optional", language),
        key="question",
        placeholder=t("ui.question_example", language),
        max_chars=4000,
        height=96,
        persist_state="session",
    )
    st.slider(
        t("ui.frames", language),
        1,
        MOST_FRAMES,
        8,
        key="frames",
        help=t("ui.frames_help", language),
        persist_state="session",
    )
    st.selectbox(
        t("ui.report_language", language),
        [_SAME_AS_PAGE, *LANGUAGES],
        format_func=lambda code: t("ui.as_page" if code == _SAME_AS_PAGE else f"language.{code}", language),
        key="report_language",
        persist_state="session",
    )
    st.button(
        t("ui.start", language),
        key="start",
        type="primary",
        icon=":material/auto_awesome:",
        width="stretch",
        disabled=not can_start,
        on_click=_start,
        args=(services, language),
    )
    engine.draw_line(services, language)


def _start(services: Services, language: Language) -> None:
    state = page_state()
    chosen, words = st.session_state["report_language"], st.session_state["question"].strip()
    try:
        if TEMPLATES[st.session_state["template"]].needs_question and not words:
            raise InputError("question_empty")
        request = AnalysisRequest(
            path=services.videos.path(state.video_id or ""),
            frames=st.session_state["frames"],
            template=st.session_state["template"],
            question=words,
            language=language if chosen == _SAME_AS_PAGE else chosen,
        )
        state.open_job(services.jobs.submit(request, name=services.videos.name(state.video_id or "")))
    except AppError as error:
        state.error = error
