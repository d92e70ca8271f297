"""Progress of a running job: the stage with its count and remaining time, and the buttons that pause or cancel.

The fragments poll a snapshot; they start and hold nothing, so a closed tab loses nothing. Answers so far are drawn by
app.ui.panels.analyse.answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.core.domain import Language, Notice
from app.i18n import notice_text, t
from app.ui.formatting import plain, remaining, short_clock
from app.ui.panels.analyse import answers
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services.container import Services

POLL_SECONDS = 0.8
"""Interval between two polls of a job. Chosen by hand; not tuned."""


def draw_stage(services: Services, job_id: str, language: Language) -> None:
    """Draw the stage and the buttons; redraw the whole page when the report is available."""
    job = services.jobs.snapshot(job_id)
    state = page_state()
    if job.is_readable:
        state.pausing = ""
        st.rerun()
    is_pausing = state.pausing == job_id
    st.markdown(f"#### {t('ui.pausing' if is_pausing else f'ui.state_{job.state}', language)}")
    parts = [part for part in (stage_text(job, language), _count(job), remaining(job.eta_seconds, language)) if part]
    st.progress(_share(job), text=plain(" · ".join(parts)))
    if is_pausing:
        st.caption(t("ui.pausing_what", language))
    if job.stage == "engine" and job.engine_phase:
        phase = job.engine_phase
        st.caption(plain(t(f"engine.phase.{phase.phase}", language, **phase.values)))
    _draw_buttons(services, job_id, language, is_pausing=is_pausing)
    for notice in _other_notices(job):
        st.caption(plain(notice_text(notice, language)))


def draw_measuring(services: Services, job_id: str, language: Language) -> None:
    """Draw how many frames are measured so far; redraw the whole page with their facts when all are."""
    job = services.jobs.snapshot(job_id)
    if job.state != "measuring":
        st.rerun()
    words = t("ui.measuring", language, done=len(job.facts), total=len(job.keyframes))
    st.progress(len(job.facts) / max(1, len(job.keyframes)), text=plain(words))


def _draw_buttons(services: Services, job_id: str, language: Language, *, is_pausing: bool) -> None:
    with st.container(horizontal=True):
        st.button(
            t("ui.pause", language),
            key="pause",
            icon=":material/pause_circle:",
            disabled=is_pausing,
            on_click=_pause,
            args=(services, job_id),
        )
        st.button(
            t("ui.cancel", language),
            key="cancel",
            icon=":material/stop_circle:",
            on_click=services.jobs.cancel,
            args=(job_id,),
        )


def _pause(services: Services, job_id: str) -> None:
    page_state().pausing = job_id
    services.jobs.pause(job_id)


def _other_notices(job: JobSnapshot) -> list[Notice]:
    """List the notices that aren't shown beside the answers."""
    elsewhere = [answers.text_mode_reason(job), *answers.failures(job).values()]
    return [notice for notice in job.notices if notice not in elsewhere]


def stage_text(job: JobSnapshot, language: Language) -> str:
    """Return the stage in words; a job that just started opens its video before it reports a stage."""
    if job.stage:
        return t(f"stage.{job.stage}", language)
    return t("ui.waiting" if job.state == "queued" else "ui.opening_video", language)


def _count(job: JobSnapshot) -> str:
    """Return "3 / 8", or how far the video has been read; "" where the stage has no count."""
    if not job.total:
        return ""
    if job.stage == "survey":
        return f"{short_clock(job.step)} / {short_clock(job.total)}"
    return f"{job.step} / {job.total}"


def _share(job: JobSnapshot) -> float:
    """Return how much of the stage is done, 0 to 1."""
    return min(1.0, job.step / job.total) if job.total else 0.0
