"""The analyses of before, to come back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.i18n import t
from app.ui.panels import span
from app.ui.panels.compare import template_name
from app.ui.state import page_state
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services

_ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/progress_activity:",
    "paused": ":material/pause_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/power_off:",
}
_LONGEST = 30
_LONGEST_QUESTION = 80
_JOINT = 6  # what stands between name and part, and the width that digits have beyond letters


def draw(services: Services, language: Language) -> None:
    """A button for each; the one that is open is marked."""
    jobs = services.jobs.recent(8)
    if not jobs:
        return
    state = page_state()
    st.markdown(f"**{t('ui.recent', language)}**")
    with st.container(gap=None):
        for job in jobs:
            part = span.words_of(job.request.selection, language, digits=0)
            longest = _LONGEST - len(part) - _JOINT if part else _LONGEST
            name = job.name if len(job.name) <= longest else f"{job.name[: longest - 1]}…"
            st.button(
                plain(" · ".join(filter(None, (name, part)))),
                key=f"recent-{job.id}",
                type="tertiary",
                icon=_ICONS[job.state],
                help=plain(_about(services, job, language)),
                disabled=job.id == state.job_id,
                on_click=state.open_job,
                args=(job.id,),
            )


def _about(services: Services, job: JobSnapshot, language: Language) -> str:
    """What tells it from others on the same video."""
    asked = template_name(services, job.request.template, language)
    state = t(f"ui.state_{job.state}", language)
    parts = (job.name, asked, job.request.question[:_LONGEST_QUESTION], state, _when(job.created))
    return " · ".join(filter(None, parts))


def _when(created: str) -> str:
    """An ISO time down to the minute."""
    return created[:16].replace("T", " ")
