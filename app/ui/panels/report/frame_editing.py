"""Editor for the frames of a finished report: the changes so far, and a new report about the resulting frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.core.domain import MOST_FRAMES, Analysis, Language, Selection
from app.i18n import t
from app.ui.components import frames, player
from app.ui.frame_edits import Edits
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services.container import Services


def draw_entry(analysis: Analysis, language: Language) -> None:
    """Draw the button that starts editing."""
    st.button(
        t("ui.edit_frames", language),
        key="edit_frames",
        type="tertiary",
        icon=":material/photo_library:",
        help=t("ui.edit_frames_help", language),
        on_click=_begin,
        args=(analysis,),
    )


def draw_bar(services: Services, job: JobSnapshot, edits: Edits, language: Language) -> None:
    """Draw the number of frames, the button that asks about them, and the one that discards the changes."""
    count = len(edits.times)
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        changed = t("ui.edits_made", language, removed=len(edits.removed), added=len(edits.added))
        st.markdown(f"**{t('ui.edits_count', language, n=count)}** · {changed}", width="content")
        with st.container(horizontal=True, width="content"):
            st.button(t("ui.edits_leave", language), key="edits_leave", on_click=_leave)
            st.button(
                t("ui.edits_ask", language),
                key="edits_ask",
                type="primary",
                icon=":material/auto_awesome:",
                disabled=not edits.num_changes or not 1 <= count <= MOST_FRAMES,
                on_click=_ask,
                args=(services, job, edits),
            )


def draw_cards(job: JobSnapshot, edits: Edits, language: Language) -> None:
    """Draw the frames as cards, each with a button."""
    st.markdown(f"##### {t('ui.edit_frames', language)}")
    st.caption(t("ui.edits_how", language))
    frames.draw_editing(job.keyframes, edits, job.id, language, key="editing")


def _begin(analysis: Analysis) -> None:
    times = tuple(frame.time_seconds for frame in analysis.keyframes)
    page_state().edits = Edits(analysis.id, times, player.frame_seconds(analysis.video))


def _leave() -> None:
    page_state().edits = None


def _ask(services: Services, job: JobSnapshot, edits: Edits) -> None:
    state = page_state()
    selection = _selection(job.request.selection, edits.times)
    request = replace(job.request, frames=len(edits.times), selection=selection)
    with state.catching_errors():
        state.open_job(services.jobs.submit(request, name=job.name, follows=job.id))


def _selection(before: Selection, times: tuple[float, ...]) -> Selection:
    """Select exactly these times, within the same range unless a frame outside of it was added."""
    inside = before.start_seconds <= times[0] and (before.end_seconds is None or times[-1] < before.end_seconds)
    part = (before.start_seconds, before.end_seconds) if inside else (0.0, None)
    return Selection("times", None, times, *part)
