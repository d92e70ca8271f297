"""A job that stopped before its end: the reason, what was kept, what changed since, and the actions for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.components import report_blocks
from app.components.controls import ButtonKind, button, show_error, show_warning
from app.context import may_change, services
from app.formatting import error_words, plain
from app.panels.analyse import missing_model, progress
from app.panels.menu.engine import short_model_name
from app.state import page_state
from framelens.core.errors import EngineError
from framelens.core.units import human_size
from framelens.i18n import notice_text, t
from framelens.reports.content.labels import layout_parts, named
from framelens.reports.content.measurements import frames

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot
    from framelens.services.readiness import Readiness

Changes = dict[str, tuple[str, str]]


def is_shown(job: JobSnapshot) -> bool:
    """Return whether there is more to say about a job than its report: it stopped, or no model has answered."""
    return job.state not in ("done", "measuring", "no_usable_answer") or says_no_model(job)


def says_no_model(job: JobSnapshot) -> bool:
    """Return whether no model has seen the frames, also before all is measured: nothing may move when it is."""
    analysis = job.analysis
    is_measuring = job.state == "measuring" and analysis is not None and not (analysis.chunks or analysis.answer)
    return is_measuring or job.is_without_model


def draw(job: JobSnapshot) -> None:
    """Draw the reason, and the buttons that resume, restart, or continue without a model after an engine error."""
    if says_no_model(job):
        _draw_without_model(job)
        return
    st.markdown(f"#### {t(f'ui.state_{job.state}')}")
    if job.error and job.state == "failed":
        show_error(job.error)
    else:
        st.info(why_stopped(job))
    if kept := _kept(job):
        st.markdown(kept)
    for notice in progress.failures(job.progress).values():
        show_warning(notice_text(notice), "error")
    if not may_change():
        return
    changes = services().jobs.changes(job.id) if job.can_resume and job.progress.results else {}
    if changes and page_state().left_as_is != job.id:
        _draw_changes(job, changes)
    else:
        _draw_ways(job, can_resume=not changes)


def why_stopped(job: JobSnapshot) -> str:
    """Return why a job stopped, and whether something is kept: before its frames are chosen, nothing is."""
    return t(f"ui.{job.state}_{'kept' if job.progress.decode else 'before'}")


def _draw_without_model(job: JobSnapshot) -> None:
    """Show that no model has seen the frames, the ways to a model, and the reason in a fold."""
    st.markdown(f"#### {t('ui.state_without_model')}")
    st.markdown(t("ui.without_model_is"))
    if not job.is_imported and may_change():
        _draw_ways_to_a_model(job)
    if job.error:
        with st.expander(t("ui.engine_why")):
            st.caption(plain(error_words(job.error)))


def _draw_ways_to_a_model(job: JobSnapshot) -> None:
    now = missing_model.ready()
    has_another = now.kind == "ready" and (not job.request.use_model or bool(services().jobs.changes(job.id)))
    with st.container(horizontal=True):
        if has_another:
            model = short_model_name(services().engine.status().model)
            _draw_with_model(job, t("ui.analyse_with", model=model), now, primary=True)
        missing_model.draw_choose(primary=not has_another)
        if not has_another and job.can_resume:
            words = t("ui.try_again")
            if now.kind == "download" and now.has_room and now.model:
                words = t("ui.start_download", size=human_size(now.model.download_bytes or 0))
            _draw_with_model(job, words, now, primary=False)


def _draw_with_model(job: JobSnapshot, words: str, now: Readiness, *, primary: bool) -> None:
    kind: ButtonKind = "primary" if primary else "secondary"
    button(plain(words), "continue", _resume_with_model, job, now, icon="auto_awesome", kind=kind)


def _resume_with_model(job: JobSnapshot, now: Readiness) -> None:
    """Ask about the existing frames: in this job if it can be resumed, else in a new job."""
    state = page_state()
    with state.catching_errors():
        missing_model.confirm(now)
        if job.can_resume:
            services().jobs.resume(job.id, accept_changes=True)
        else:
            request = replace(job.request, use_model=True)
            state.open_job(services().jobs.submit(request, name=job.name, follows=job.follows))


def _kept(job: JobSnapshot) -> str:
    """Return how many parts are answered; "" before there are any."""
    parts = layout_parts(job.progress.layout, job.progress.results, {}, 0)
    done = sum(part.result is not None for part in parts)
    return t("ui.parts_kept", done=done, total=len(parts)) if job.progress.layout and done else ""


def _draw_changes(job: JobSnapshot, changes: Changes) -> None:
    """Draw the settings that changed since the start: answers under both don't belong in one report."""
    with st.container(border=True):
        st.markdown(f"**{t('ui.changed')}**")
        heads = [t(f"ui.changed_{column}") for column in ("setting", "then", "now")]
        report_blocks.draw_table(heads, change_rows(changes), key="changes")
        st.caption(t("ui.changed_why"))
        with st.container(horizontal=True):
            button(t("ui.changed_continue"), "continue_changed", _resume, job.id, True, icon="resume", kind="primary")
            button(t("ui.changed_cancel"), "leave_it", _keep_stopped, job.id)


def change_rows(changes: Changes) -> list[list[str]]:
    """List setting, old and new value; an unset value is a dash."""
    return [[named("condition", name), then or "—", now or "—"] for name, (then, now) in changes.items()]


def _draw_ways(job: JobSnapshot, *, can_resume: bool) -> None:
    can_skip_model = isinstance(job.error, EngineError) and job.request.use_model
    with st.container(horizontal=True):
        if can_resume:
            button(t("ui.continue"), "continue", _resume, job.id, False, icon="resume", kind="primary")
        if can_skip_model:
            button(t("ui.without_model"), "without_model", _submit, job, False)
        button(t("ui.again"), "again", _submit, job, job.request.use_model, icon="refresh")


def draw_kept(job: JobSnapshot) -> None:
    """Draw the answers so far and the frames that had been chosen."""
    progress.draw_question_answer(job, report_blocks.Renderer(job.id, job.progress.keyframes))
    if any(chunk.is_chunk for chunk in job.progress.results):
        st.markdown(f"##### {t('ui.parts')}")
        progress.draw_kept_parts(job)
    if keyframes := job.progress.keyframes:
        st.markdown(f"##### {t('ui.keyframes')}")
        shown = report_blocks.pieces(frames(keyframes, job.progress.facts))
        report_blocks.draw(shown, report_blocks.Renderer(job.id, keyframes), key="kept")
    elif found := job.progress.found:
        st.markdown(f"##### {t('ui.found')}")
        renderer = report_blocks.Renderer(job.id, found)
        report_blocks.draw_values([report_blocks.gallery(found, renderer)], renderer, key="kept")


def _resume(job_id: str, accept_changes: bool) -> None:
    with page_state().catching_errors():
        services().jobs.resume(job_id, accept_changes=accept_changes)


def _keep_stopped(job_id: str) -> None:
    page_state().left_as_is = job_id


def _submit(job: JobSnapshot, use_model: bool) -> None:
    state = page_state()
    with state.catching_errors():
        request = replace(job.request, use_model=use_model)
        state.open_job(services().jobs.submit(request, name=job.name, force=True))
