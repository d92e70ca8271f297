"""A new analysis about frames chosen by hand in a finished report, and the way back to the report it follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.components import player, report_blocks
from app.components.assets import component
from app.components.controls import button
from app.context import services
from app.formatting import plain
from app.panels.analyse import frame_options
from app.state import Edits, page_state
from framelens.core.domain import MOST_FRAMES, Analysis, Selection
from framelens.core.errors import AppError
from framelens.core.units import clock
from framelens.i18n import t

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

_mount_cards = component("frames")


def draw_way_back(job: JobSnapshot) -> None:
    """Draw the button that leads to the report that this report follows."""
    if not job.follows:
        return
    try:
        previous = services().jobs.snapshot(job.follows)
    except AppError:  # it was cleaned away
        return
    about = frame_options.format_selection(previous.request.selection) or t("ui.whole_video")
    words, about = t("ui.earlier_report"), plain(t("ui.earlier_report_help", about=about))
    button(words, "way_back", page_state().open_job, previous.id, icon="arrow_back", kind="tertiary", help=about)


def draw_entry(analysis: Analysis) -> None:
    """Draw the button that starts editing."""
    words, tip, is_open = t("ui.edit_these"), t("ui.edit_frames_help"), page_state().edits_of(analysis.id) is not None
    button(words, "edit_frames", _begin, analysis, help=tip, disabled=is_open)


def draw_bar(job: JobSnapshot, edits: Edits) -> None:
    """Draw the number of frames, and the buttons that discard the changes and that ask about the frames."""
    count = len(edits.times)
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        changed = t("ui.edits_made", removed=len(edits.removed), added=len(edits.added))
        st.markdown(f"**{t('ui.edits_count', n=count)}** · {changed}", width="content")
        with st.container(horizontal=True, width="content"):
            button(t("ui.edits_discard"), "edits_leave", _leave)
            words, is_blocked = t("ui.edits_ask"), not edits.num_changes or not 1 <= count <= MOST_FRAMES
            button(words, "edits_ask", _ask, job, edits, icon="auto_awesome", kind="primary", disabled=is_blocked)


def draw_cards(job: JobSnapshot, edits: Edits) -> None:
    """Draw the frames as cards, each with a button."""
    st.markdown(f"##### {t('ui.edit_frames')}")
    st.caption(t("ui.edits_how"))
    removed = edits.removed
    renderer = report_blocks.Renderer(job.id, job.progress.keyframes)
    cards = [_card(renderer.picture(frame), frame.time_seconds in removed) for frame in job.progress.keyframes]
    cards += [_card(_added(seconds), False) for seconds in edits.added]
    _mount_cards(key="editing", data={"frames": sorted(cards, key=lambda card: float(str(card["seconds"])))})


def _card(picture: dict[str, object], is_removed: bool) -> dict[str, object]:
    kind = "add" if is_removed else "remove"
    words = t("ui.frame_restore" if is_removed else "ui.frame_remove")
    return picture | {"removed": is_removed, "change": {"kind": kind, "words": words}}


def _added(seconds: float) -> dict[str, object]:
    """Return a picture that only the browser has."""
    time = clock(seconds)
    about = {"title": t("ui.frame_added"), "time": time, "why": "", "alt": t("ui.go_to", time=time)}
    return {"src": "", "srcset": "", "seconds": seconds, **about}


def _begin(analysis: Analysis) -> None:
    times = tuple(frame.time_seconds for frame in analysis.keyframes)
    page_state().edits = Edits(analysis.id, times, player.frame_seconds(analysis.video))


def _leave() -> None:
    page_state().edits = None


def _ask(job: JobSnapshot, edits: Edits) -> None:
    state = page_state()
    selection = _selection(job.request.selection, edits.times)
    request = replace(job.request, frames=len(edits.times), selection=selection)
    with state.catching_errors():
        state.open_job(services().jobs.submit(request, name=job.name, follows=job.id))


def _selection(before: Selection, times: tuple[float, ...]) -> Selection:
    """Select exactly these times, within the same range unless a frame outside of it was added."""
    inside = before.start_seconds <= times[0] and (before.end_seconds is None or times[-1] < before.end_seconds)
    part = (before.start_seconds, before.end_seconds) if inside else (0.0, None)
    return Selection("times", None, times, *part)
