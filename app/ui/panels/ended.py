"""A job that ended without a report: what happened, what is kept, and the ways on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.errors import AppError, EngineError
from app.i18n import error_text, t
from app.ui.components import frames
from app.ui.state import page_state
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services


def draw(services: Services, job: JobSnapshot, language: Language) -> None:
    """The sentence and the buttons: once more, or without a model where the engine was the cause."""
    st.markdown(f"#### {t(f'ui.state_{job.state}', language)}")
    if job.error and job.state == "failed":
        st.error(plain(error_text(job.error, language)), icon=":material/error:")
    else:
        st.info(t(f"ui.{job.state}_kept", language))
    can_go_without = isinstance(job.error, EngineError) and job.request.use_model
    with st.container(horizontal=True):
        if can_go_without:
            st.button(
                t("ui.without_model", language),
                key="without_model",
                type="primary",
                on_click=_submit,
                args=(services, job, False),
            )
        st.button(
            t("ui.again", language),
            key="again",
            icon=":material/refresh:",
            on_click=_submit,
            args=(services, job, job.request.use_model),
        )


def draw_kept(job: JobSnapshot, language: Language) -> None:
    """The frames that had been chosen before it ended."""
    if job.keyframes:
        st.markdown(f"##### {t('ui.keyframes', language)}")
        frames.draw(job.keyframes, job.id, language, key="kept", facts=job.facts, with_facts=bool(job.facts))


def _submit(services: Services, job: JobSnapshot, use_model: bool) -> None:
    state = page_state()
    try:
        state.open_job(services.jobs.submit(replace(job.request, use_model=use_model), name=job.name))
    except AppError as error:
        state.error = error
