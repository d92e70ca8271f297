"""A job that stopped before its end: the reason, what was kept, what changed since, and the actions for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app.components import report_blocks
from app.components.controls import button, show_error, show_warning
from app.context import may_change, services
from app.panels.analyse import changed_settings, missing_model, progress
from app.panels.menu import model_change
from app.state import page_state
from framelens.core.domain import Notice
from framelens.core.engines.model_hub import ModelHub, chosen_hub, other_hubs
from framelens.core.errors import EngineBrokeOff, EngineBusy, EngineError, EngineTimeout, ModelNotFound
from framelens.core.roles import current_user
from framelens.i18n import notice_text, sentences, t
from framelens.plugin_page import ButtonKind
from framelens.reports.content.labels import layout_parts, named
from framelens.reports.content.measurements import frames
from framelens.reports.content.page_text import error_words, plain, short_model_name

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

_PASSING = (EngineBrokeOff, EngineBusy, EngineTimeout, ModelNotFound)
"""Errors that another attempt may not have."""


def is_shown(job: JobSnapshot) -> bool:
    """Return whether there is more to say about a job than its report: it stopped, or no model has answered."""
    said_by_report = ("done", "incomplete", "describing", "measuring", "no_usable_answer")
    return job.state not in said_by_report or job.is_without_model


def draw(job: JobSnapshot) -> None:
    """Draw the reason, and the buttons that resume, restart, or continue without a model after an engine error."""
    if job.is_without_model:
        _draw_without_model(job)
        return
    st.markdown(f"#### {t(f'ui.state_{job.state}')}")
    if job.error and job.state == "failed":
        show_error(job.error)
    else:
        st.info(why_stopped(job))
    if summary := answered_text(job):
        st.markdown(summary)
    for notice in progress.failures(job.progress).values():
        show_warning(notice_text(notice), "error")
    if not may_change():
        return
    changes = services().jobs.conflicts(job.id)
    if changes:
        changed_settings.draw([job], changes, partial(_resume, job.id, True))
    _draw_ways(job, can_resume=not changes)


def why_stopped(job: JobSnapshot) -> str:
    """Return why a job stopped, and whether something is kept: before its frames are chosen, nothing is."""
    return t(f"ui.{job.state}_{'kept' if job.progress.decode else 'before'}")


def _draw_without_model(job: JobSnapshot) -> None:
    """Show that no model has seen the video, the ways to a model, and the reason in a fold."""
    st.markdown(t("notice.no_model"))
    if not job.is_imported and may_change():
        _draw_ways_to_a_model(job)
    if why := _why_without_model(job):
        with st.expander(t("ui.engine_why")):
            st.caption(plain(why))
    if job.state == "measuring":
        st.fragment(_await_end, run_every=progress.POLL_SECONDS)(job.id)


def _why_without_model(job: JobSnapshot) -> str:
    """Return why no model has seen the frames: its error or, while they are measured, the report's notice; or ""."""
    if job.error:
        return error_words(job.error)
    reasons = (notice.values.get("reason") for notice in job.progress.notices if notice.key == "no_model_because")
    return next((notice_text(reason) for reason in reasons if isinstance(reason, Notice)), "")


def _await_end(job_id: str) -> None:
    """Redraw the page when the measurements end: only then can the model be asked again."""
    if services().jobs.snapshot(job_id).state != "measuring":
        st.rerun()


def _draw_ways_to_a_model(job: JobSnapshot) -> None:
    """Draw the ways; the first is another model, the same if its engine may answer now, else the offered model."""
    readiness = missing_model.ready()
    has_another = readiness.kind == "ready" and (not job.request.use_model or bool(services().jobs.changes(job.id)))
    may_pass = job.state == "measuring" or isinstance(job.error, _PASSING)
    is_first = has_another or (readiness.kind == "ready" and job.request.use_model and may_pass)
    label = t("ui.try_again")
    if has_another:
        label = t("ui.analyse_with", model=short_model_name(services().engine.status().model))
    is_changing = current_user().may("administrator") and model_change.is_shown()
    if readiness.kind != "ready" and is_changing:
        model_change.draw()
    elif readiness.kind != "ready" and _is_failed_download(job):
        _draw_failed_download(job)
        is_changing = True
    if readiness.kind != "ready" and not is_changing and readiness.offered:
        missing_model.draw_get(readiness, key="missing_use")  # not in the row, where its text would be cut off
        is_first = True
    with st.container(horizontal=True):
        if readiness.kind == "ready" and (has_another or job.can_resume or (job.state == "measuring" and is_first)):
            _draw_with_model(job, label, primary=is_first)
        missing_model.draw_choose(primary=not is_first and not is_changing)


def _is_failed_download(job: JobSnapshot) -> bool:
    return isinstance(job.error, ModelNotFound) and "endpoint" in job.error.values


def _draw_failed_download(job: JobSnapshot) -> None:
    """Draw why the model of the job couldn't be downloaded; what is tried again runs as on the Models page."""
    assert job.error
    name = str(job.error.values["endpoint"])
    hub = next(
        (other_hub for other_hub in other_hubs(ModelHub("huggingface", "")) if other_hub.endpoint == name), chosen_hub()
    )
    model_change.draw_failure(job.error, hub, retry=_download_from)


def _download_from(hub: ModelHub) -> None:
    with page_state().catching_errors():
        services().model_switch.get(services().settings, hub=hub)


def _draw_with_model(job: JobSnapshot, label: str, *, primary: bool) -> None:
    kind: ButtonKind = "primary" if primary else "secondary"
    is_blocked = job.state == "measuring"
    button(plain(label), "continue", _resume_with_model, job, icon="auto_awesome", kind=kind, disabled=is_blocked)


def _resume_with_model(job: JobSnapshot) -> None:
    """Ask about the existing frames: in this job if it can be resumed, else in a new job."""
    state = page_state()
    with state.catching_errors():
        if job.can_resume:
            services().jobs.resume(job.id, accept_changes=True)
        else:
            request = replace(job.request, use_model=True)
            state.open_job(services().jobs.submit(request, name=job.name, follows=job.follows))


def answered_text(job: JobSnapshot) -> str:
    """Return how many parts are answered, and whether more of an answer has arrived; "" before there are any."""
    parts = layout_parts(job.progress.layout, job.progress.results, {}, 0, 0)
    done = sum(part.result is not None and not part.result.is_unfinished for part in parts)
    counted = [t("ui.parts_kept", done=done, total=len(parts))] if job.progress.layout and done else []
    answers = job.progress.answer.answers if job.progress.answer else ()
    has_broken = any(answer.state == "failed" and answer.answer.strip() for answer in answers)
    is_unfinished = has_broken or any(result.is_unfinished for result in job.progress.results)
    return sentences([*counted, *([named("trouble", "broke_off")] if is_unfinished else [])])


def _draw_ways(job: JobSnapshot, *, can_resume: bool) -> None:
    can_skip_model = isinstance(job.error, EngineError) and job.request.use_model
    with st.container(horizontal=True):
        if can_resume:
            button(t("ui.continue"), "continue", _resume, job.id, False, icon="resume", kind="primary")
        if can_skip_model:
            button(t("ui.without_model"), "without_model", _restart, job.id, False)
        button(t("ui.again"), "again", _restart, job.id, job.request.use_model, icon="refresh")


def draw_results(job: JobSnapshot) -> None:
    """Draw the answers so far and the frames that had been chosen."""
    progress.draw_question_answer(job, report_blocks.Renderer(job.id, job.progress.keyframes))
    if any(chunk.is_chunk for chunk in job.progress.results):
        st.markdown(f"##### {t('ui.parts')}")
        progress.draw_answered_parts(job)
    if keyframes := job.progress.keyframes:
        st.markdown(f"##### {t('ui.keyframes')}")
        shown = report_blocks.pieces(frames(keyframes, job.progress.facts))
        report_blocks.draw(shown, report_blocks.Renderer(job.id, keyframes), key="kept")
    elif candidates := job.progress.found:
        st.markdown(f"##### {t('ui.found')}")
        renderer = report_blocks.Renderer(job.id, candidates)
        report_blocks.draw_values([report_blocks.gallery(candidates, renderer)], renderer, key="kept")


def draw_continue(job: JobSnapshot) -> None:
    """Draw the button that describes the video of an answered question, or continues a broken one."""
    if not may_change():
        return
    if job.can_describe:
        button(t("ui.describe_too"), "describe_too", _describe, job.id, icon="description")
    elif job.state == "incomplete" and job.can_resume:
        button(t("ui.describe_on"), "continue", _resume, job.id, False, icon="resume", kind="tertiary")


def _describe(job_id: str) -> None:
    with page_state().catching_errors():
        services().jobs.describe(job_id)


def _resume(job_id: str, accept_changes: bool) -> None:
    with page_state().catching_errors():
        services().jobs.resume(job_id, accept_changes=accept_changes)


def _restart(job_id: str, use_model: bool) -> None:
    with page_state().catching_errors():
        services().jobs.restart(job_id, use_model=use_model)
