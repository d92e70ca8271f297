"""The analyses that run and wait, in the order of their turn: what is next can be changed, and each can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.i18n import t
from app.ui.state import page_state
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services

_POLL_SECONDS = 2.0
_LONGEST = 24
_LOOKED_AT = 20  # of the newest jobs: those that run are among them


def draw(services: Services, language: Language) -> None:
    """The queue, kept fresh; nothing while at most one job is there, which the page itself shows."""
    if services.jobs.waiting() or len(_running(services)) > 1:
        st.fragment(_draw, run_every=_POLL_SECONDS)(services, language)


def _draw(services: Services, language: Language) -> None:
    running, waiting = _running(services), services.jobs.waiting()
    if page_state().opened or not (running or waiting):
        st.rerun()  # the whole page: what was opened is shown outside of this part
    st.markdown(f"**{t('ui.queue', language)}**")
    with st.container(gap="small", key="queue"):
        for job in running:
            _draw_job(services, job, 0, language)
        for place, job in enumerate(waiting, start=1):
            _draw_job(services, job, place, language)


def _draw_job(services: Services, job: JobSnapshot, place: int, language: Language) -> None:
    """Its place (0: it runs) and the way to it; below, what can be done."""
    name = job.name if len(job.name) <= _LONGEST else f"{job.name[: _LONGEST - 1]}…"
    with st.container(border=True, gap=None):
        st.button(
            plain(f"{place}. {name}" if place else name),
            key=f"queue-open-{job.id}",
            type="tertiary",
            icon=":material/schedule:" if place else ":material/progress_activity:",
            help=plain(f"{job.name} · {t('ui.queue_waits', language, n=place) if place else _share(job, language)}"),
            disabled=job.id == page_state().job_id,
            on_click=page_state().open_job,
            args=(job.id,),
        )
        with st.container(horizontal=True):
            if place > 1:
                _button(services, job, "first", "vertical_align_top", language)
            if not place:
                _button(services, job, "pause", "pause", language)
            _button(services, job, "cancel", "close", language)


def _button(services: Services, job: JobSnapshot, action: str, icon: str, language: Language) -> None:
    does = {"first": services.jobs.put_first, "pause": services.jobs.pause, "cancel": services.jobs.cancel}[action]
    words = t(f"ui.queue_{action}", language)
    st.button(
        words,
        key=f"queue-{action}-{job.id}",
        type="tertiary",
        icon=f":material/{icon}:",
        help=plain(t("ui.queue_about", language, action=words, name=job.name)),
        on_click=does,
        args=(job.id,),
    )


def _share(job: JobSnapshot, language: Language) -> str:
    stage = t(f"stage.{job.stage}", language) if job.stage else t("ui.state_running", language)
    return f"{stage} {job.step}/{job.total}" if job.total else stage


def _running(services: Services) -> list[JobSnapshot]:
    """In the order in which they came."""
    return [job for job in reversed(services.jobs.recent(_LOOKED_AT)) if job.state == "running"]
