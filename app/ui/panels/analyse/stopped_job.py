"""A job that stopped before its end: the reason, what was kept, what changed since, and the actions for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.core import EngineError, Language
from app.i18n import notice_text, t
from app.reports.content import layout_parts, named
from app.ui.components import frames, tables
from app.ui.formatting import error_words, plain
from app.ui.panels.analyse import progress
from app.ui.panels.models import missing_model
from app.ui.panels.sidebar.engine import short_model_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services import Readiness, Services

Changes = dict[str, tuple[str, str]]


def draw(services: Services, job: JobSnapshot, language: Language) -> None:
    """Draw the reason, and the buttons that resume, restart, or continue without a model after an engine error."""
    if job.is_without_model:
        _draw_without_model(services, job, language)
        return
    st.markdown(f"#### {t(f'ui.state_{job.state}', language)}")
    if job.error and job.state == "failed":
        st.error(plain(error_words(job.error, language)), icon=":material/error:")
    else:
        st.info(t(f"ui.{job.state}_kept", language))
    if kept := _kept(job, language):
        st.markdown(kept)
    for notice in progress.failures(job.progress).values():
        st.warning(plain(notice_text(notice, language)), icon=":material/error:")
    changes = services.jobs.changes(job.id) if job.can_resume and job.progress.results else {}
    if changes and page_state().left_as_is != job.id:
        _draw_changes(services, job, changes, language)
    else:
        _draw_ways(services, job, language, can_resume=not changes)


def _draw_without_model(services: Services, job: JobSnapshot, language: Language) -> None:
    """Show that no model has seen the frames, the ways to one that will, and the reason in a fold."""
    st.markdown(f"#### {t('ui.state_without_model', language)}")
    st.markdown(t("ui.without_model_is", language))
    if not job.is_imported:
        _draw_ways_to_a_model(services, job, language)
    if job.error:
        with st.expander(t("ui.engine_why", language)):
            st.caption(plain(error_words(job.error, language)))


def _draw_ways_to_a_model(services: Services, job: JobSnapshot, language: Language) -> None:
    now = missing_model.ready(services)
    has_another = now.kind == "ready" and (not job.request.use_model or bool(services.jobs.changes(job.id)))
    with st.container(horizontal=True):
        if has_another:
            model = short_model_name(services.engine.status().model)
            _draw_with_model(services, job, t("ui.analyse_with", language, model=model), now, primary=True)
        missing_model.draw_choose(language, primary=not has_another)
        if not has_another and job.can_resume:
            downloads = now.kind == "download" and now.has_room
            words = missing_model.start_words(now, language) if downloads else t("ui.try_again", language)
            _draw_with_model(services, job, words, now, primary=False)


def _draw_with_model(services: Services, job: JobSnapshot, words: str, now: Readiness, *, primary: bool) -> None:
    st.button(
        plain(words),
        key="continue",
        type="primary" if primary else "secondary",
        icon=":material/auto_awesome:",
        on_click=_resume_with_model,
        args=(services, job, now),
    )


def _resume_with_model(services: Services, job: JobSnapshot, now: Readiness) -> None:
    """Ask about the existing frames: in this job where a model was requested, else in a new one."""
    state = page_state()
    with state.catching_errors():
        missing_model.confirm(services, now)
        if job.can_resume:
            services.jobs.resume(job.id, accept_changes=True)
        else:
            request = replace(job.request, use_model=True)
            state.open_job(services.jobs.submit(request, name=job.name, follows=job.follows))


def _kept(job: JobSnapshot, language: Language) -> str:
    """Return how many parts are answered; "" before there are any."""
    parts = layout_parts(job.progress.layout, job.progress.results, {}, 0)
    done = sum(part.result is not None for part in parts)
    return t("ui.parts_kept", language, done=done, total=len(parts)) if job.progress.layout and done else ""


def _draw_changes(services: Services, job: JobSnapshot, changes: Changes, language: Language) -> None:
    """Draw the settings that changed since the start: answers under both don't belong in one report."""
    with st.container(border=True):
        st.markdown(f"**{t('ui.changed', language)}**")
        heads = [t(f"ui.changed_{column}", language) for column in ("setting", "then", "now")]
        tables.draw_table(heads, change_rows(changes, language), key="changes")
        st.caption(t("ui.changed_why", language))
        with st.container(horizontal=True):
            st.button(
                t("ui.changed_continue", language),
                key="continue_changed",
                type="primary",
                icon=":material/resume:",
                on_click=_resume,
                args=(services, job.id, True),
            )
            st.button(t("ui.changed_cancel", language), key="leave_it", on_click=_keep_stopped, args=(job.id,))


def change_rows(changes: Changes, language: Language) -> list[list[str]]:
    """List setting, old and new value; an unset value is a dash."""
    return [[named("condition", name, language), then or "—", now or "—"] for name, (then, now) in changes.items()]


def _draw_ways(services: Services, job: JobSnapshot, language: Language, *, can_resume: bool) -> None:
    can_skip_model = isinstance(job.error, EngineError) and job.request.use_model
    with st.container(horizontal=True):
        if can_resume:
            st.button(
                t("ui.continue", language),
                key="continue",
                type="primary",
                icon=":material/resume:",
                on_click=_resume,
                args=(services, job.id, False),
            )
        if can_skip_model:
            st.button(
                t("ui.without_model", language),
                key="without_model",
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
    """Draw the answers so far and the frames that had been chosen."""
    progress.draw_kept(job, language)
    if job.progress.keyframes:
        st.markdown(f"##### {t('ui.keyframes', language)}")
        frames.draw(
            job.progress.keyframes,
            job.id,
            language,
            key="kept",
            facts=job.progress.facts,
            with_facts=bool(job.progress.facts),
        )


def _resume(services: Services, job_id: str, accept_changes: bool) -> None:
    with page_state().catching_errors():
        services.jobs.resume(job_id, accept_changes=accept_changes)


def _keep_stopped(job_id: str) -> None:
    page_state().left_as_is = job_id


def _submit(services: Services, job: JobSnapshot, use_model: bool) -> None:
    state = page_state()
    with state.catching_errors():
        request = replace(job.request, use_model=use_model)
        state.open_job(services.jobs.submit(request, name=job.name, force=True))
