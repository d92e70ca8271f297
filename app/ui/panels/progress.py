"""A job while it runs: the stage with its count and what is left, the frames as they are found, the words as they come.

The fragments poll a snapshot; they start nothing and hold nothing, so a closed tab loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language, ModeChosen
from app.i18n import notice_text, t
from app.ui.components import frames, prose
from app.ui.words import plain, remaining, short_clock

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services

POLL_SECONDS = 0.8


def draw_stage(services: Services, job_id: str, language: Language) -> None:
    """The stage and the cancel button; when the job ends, the whole page is drawn anew."""
    job = services.jobs.snapshot(job_id)
    if job.is_over:
        st.rerun()
    st.markdown(f"#### {t(f'ui.state_{job.state}', language)}")
    stage = t(f"stage.{job.stage}", language) if job.stage else t("ui.waiting", language)
    parts = [part for part in (stage, _count(job), remaining(job.eta_seconds, language)) if part]
    st.progress(_share(job), text=plain(" · ".join(parts)))
    if job.stage == "engine" and job.engine_phase:
        phase = job.engine_phase
        st.caption(plain(t(f"engine.phase.{phase.phase}", language, **phase.values)))
    st.button(
        t("ui.cancel", language),
        key="cancel",
        icon=":material/stop_circle:",
        on_click=services.jobs.cancel,
        args=(job_id,),
    )
    told_beside_the_answer = [mode.reason for mode in job.modes.values()]
    for notice in job.notices:
        if notice not in told_beside_the_answer:
            st.caption(plain(notice_text(notice, language)))


def _count(job: JobSnapshot) -> str:
    """ "3 / 8", or how far the video has been read; "" where the stage cannot be counted."""
    if not job.total:
        return ""
    if job.stage == "survey":
        return f"{short_clock(job.step)} / {short_clock(job.total)}"
    return f"{job.step} / {job.total}"


def _share(job: JobSnapshot) -> float:
    """How much of the stage is done, 0 … 1."""
    return min(1.0, job.step / job.total) if job.total else 0.0


def draw_findings(services: Services, job_id: str, language: Language) -> None:
    """The frames and the answers so far."""
    job = services.jobs.snapshot(job_id)
    for number, answer in sorted(job.answers.items()):
        st.markdown(f"##### {_heading(job, number, language)}")
        _draw_mode(job.modes.get(number), language)
        is_live = number not in {chunk.number for chunk in job.chunks}
        prose.draw(answer, job.keyframes, live=is_live, key=f"answer-{number}")
    shown = job.keyframes or job.found
    if shown:
        st.markdown(f"##### {t('ui.keyframes' if job.keyframes else 'ui.found', language)}")
        frames.draw(shown, job_id, language, key="found")


def _heading(job: JobSnapshot, number: int, language: Language) -> str:
    if number == 0:
        return t("report.summary", language)
    return t("ui.answer" if len(job.modes) <= 1 else "ui.answer_part", language, n=number)


def _draw_mode(mode: ModeChosen | None, language: Language) -> None:
    if mode and mode.mode == "text" and mode.reason:
        st.warning(plain(notice_text(mode.reason, language)))
