"""The analyses of before, to come back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.i18n import t
from app.ui.state import page_state
from app.ui.words import plain

if TYPE_CHECKING:
    from app.wiring import Services

_ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
    "interrupted": ":material/pause_circle:",
}
_LONGEST = 30


def draw(services: Services, language: Language) -> None:
    """A button for each; the one that is open is marked."""
    jobs = services.jobs.recent(8)
    if not jobs:
        return
    state = page_state()
    st.markdown(f"**{t('ui.recent', language)}**")
    with st.container(gap=None):
        for job in jobs:
            name = job.name if len(job.name) <= _LONGEST else f"{job.name[: _LONGEST - 1]}…"
            st.button(
                plain(name),
                key=f"recent-{job.id}",
                type="tertiary",
                icon=_ICONS[job.state],
                help=plain(" · ".join((job.name, t(f"ui.state_{job.state}", language), _when(job.created)))),
                disabled=job.id == state.job_id,
                on_click=state.open_job,
                args=(job.id,),
            )


def _when(created: str) -> str:
    """An ISO time down to the minute."""
    return created[:16].replace("T", " ")
