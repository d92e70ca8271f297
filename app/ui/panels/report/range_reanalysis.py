"""Re-analysis of a range of a finished report: more frames of it, in a new report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.planning.time_parsing import between
from app.core.domain import Language, Selection
from app.core.errors import AppError, InputError
from app.i18n import t
from app.ui.formatting import plain
from app.ui.panels.analyse import time_range
from app.ui.panels.analyse.frame_options import SLIDER_FRAMES
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services.container import Services

_DEFAULT_FRAMES = 16
"""Frames offered at first. Chosen by hand; not tuned."""
_NUMBER_WIDTH = 112


def draw(services: Services, job: JobSnapshot, language: Language) -> None:
    """Draw the number of frames, another question, and the button; nothing while there is no range."""
    state = page_state()
    if not any(state.range_texts):
        return
    with st.container(border=True):
        st.markdown(f"##### {t('ui.look_again', language)}")
        with st.container(horizontal=True):
            time_range.draw(language)
            st.number_input(
                t("ui.look_frames", language),
                1,
                SLIDER_FRAMES,
                max(_DEFAULT_FRAMES, min(SLIDER_FRAMES, job.request.frames)),
                key="look_frames",
                persist_state="session",
                width=_NUMBER_WIDTH,
            )
        time_range.draw_error(language)
        st.text_input(
            t("ui.look_question", language),
            value=job.request.question,
            key=f"look_question_{job.id}",
            placeholder=t("ui.question_example", language),
            max_chars=4000,
        )
        st.button(
            t("ui.look_start", language),
            key="look_start",
            type="primary",
            icon=":material/zoom_in:",
            disabled=state.range is None,
            on_click=_start,
            args=(services, job),
        )


def draw_way_back(services: Services, job: JobSnapshot, language: Language) -> None:
    """Draw the button that leads to the report that this one follows."""
    if not job.follows:
        return
    try:
        previous = services.jobs.snapshot(job.follows)
    except AppError:  # it was cleaned away
        return
    about = time_range.format_selection(previous.request.selection, language) or t("ui.whole_video", language)
    st.button(
        t("ui.way_back", language),
        key="way_back",
        type="tertiary",
        help=plain(t("ui.way_back_help", language, about=about)),
        icon=":material/arrow_back:",
        on_click=page_state().open_job,
        args=(previous.id,),
    )


def _start(services: Services, job: JobSnapshot) -> None:
    state = page_state()
    with state.catching_errors():
        start, end = between(*state.range_texts) or (0.0, None)
        question = st.session_state[f"look_question_{job.id}"].strip()
        if services.templates.find(job.request.template).needs_question and not question:
            raise InputError("question_empty")
        request = replace(
            job.request,
            frames=st.session_state["look_frames"],
            question=question,
            selection=Selection(start_seconds=start, end_seconds=end),
        )
        state.open_job(services.jobs.submit(request, name=job.name, follows=job.id))
