"""Conversations so far, and the first question of a new conversation: about videos, a clip, images, or text alone."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.components.controls import Options, button, choose, removable, show_refusals
from app.context import services
from app.formatting import joined, local_time
from app.panels.analyse import frame_options, video_picker
from app.panels.library import trash
from app.panels.work import rows
from app.state import page_state
from framelens.conversations.conversation import Conversation, started
from framelens.i18n import language, t
from framelens.reports.content.labels import printable
from framelens.store.library_index import LibraryQuery

_OFFERED = 200
"""Analyses to choose from, the newest first; others are asked about in their report."""
_LISTED = 20
"""Conversations in the list at first."""


def draw_subjects() -> None:
    """Draw what the new conversation is about: analysed videos, and others, whole or in part."""
    state = page_state()
    entries = services().jobs.library.find(LibraryQuery(), order="newest", offset=0, limit=_OFFERED)
    named = {one.id: (one.name, local_time(one.created), rows.what_of(one)) for one in entries if one.num_frames}
    labels = {id_: printable(joined(*parts)) for id_, parts in named.items()}
    options: Options = {"placeholder": t("ask.page.about_none"), "persist_state": "session"}
    chosen = choose(t("ask.page.about"), labels, "ask_about", st.multiselect, **options)
    with st.expander(t("ask.page.other_video"), icon=":material/movie:", key="ask_other"):
        st.caption(t("ask.page.other_video_how"))
        video_picker.draw_uploader(key="ask_uploader", on_uploaded=_uploaded)
        button(t("ui.use_sample"), "ask_sample", _add_sample, icon="play_circle")
        show_refusals(state.refused)
    for video_id in state.asked_videos:
        name = services().videos.name(video_id)
        removable(name, f"ask_leave_{video_id}", _leave_out, video_id)
    if len(chosen) + len(state.asked_videos) == 1:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            frame_options.draw_time_range()
        st.caption(t("ask.page.clip"))
        frame_options.draw_time_range_error()


def _uploaded(video_ids: Sequence[str], refused: Sequence[str]) -> None:
    state = page_state()
    state.asked_videos = tuple(dict.fromkeys((*state.asked_videos, *video_ids)))
    state.refused = tuple(refused)


def _add_sample() -> None:
    with page_state().catching_errors("ask_error"):
        _uploaded([services().videos.sample()], ())


def _leave_out(video_id: str) -> None:
    state = page_state()
    state.asked_videos = tuple(one for one in state.asked_videos if one != video_id)


def begin() -> Conversation:
    """Return the new conversation about the chosen items; frames of other videos and of a clip are being selected then.

    Raises:
        AppError: The range can't be read, or a video can't be used.
    """
    state = page_state()
    chosen: list[str] = st.session_state["ask_about"]
    videos = [(services().videos.path(one), services().videos.name(one)) for one in state.asked_videos]
    part = frame_options.read_range() if len(chosen) + len(videos) == 1 else None
    if part and chosen:
        job = services().jobs.snapshot(chosen[0])
        chosen, videos = [], [(job.request.path, job.name)]
    made = [services().asking.prepare_frames(path, name, part, language()) for path, name in videos]
    state.asked_videos, state.range_texts = (), ("", "")
    st.session_state["ask_about"] = []  # the next conversation is about something else
    return started((*chosen, *made), language())


def begin_about(job_id: str) -> Conversation:
    """Return a new conversation about one analysis."""
    return started((job_id,), language())


def draw_list(job_id: str | None = None) -> None:
    """Draw the conversations, all or those about one analysis, with a search and the last deleted conversation."""
    trash.draw_undo("conversation")
    kept = services().conversations
    about = None if job_id is None else (job_id,)
    first = kept.find(analysis_ids=about, limit=_LISTED)
    if not first:
        return
    st.markdown(f"##### {t('ask.page.conversations')}")
    words = ""
    if len(first) > 4:
        label, icon = t("ask.page.search"), ":material/search:"
        options: Options = {"max_chars": 200, "label_visibility": "collapsed", "placeholder": label}
        words = st.text_input(label, key="ask_search", icon=icon, **options)
    limit = _LISTED * (1 + st.session_state.get("ask_more", 0))
    found = kept.find(words, analysis_ids=about, limit=limit + 1)
    if not found:
        st.caption(t("ask.page.none_found"))
    rows.draw([_row(one) for one in found[:limit]], key="ask_list", on_open=page_state().open_chat)
    if len(found) > limit:
        button(t("ask.page.more"), "ask_more_button", _show_more, kind="tertiary")


def _show_more() -> None:
    st.session_state["ask_more"] = st.session_state.get("ask_more", 0) + 1


def _row(one: Conversation) -> rows.JobRow:
    entries = services().jobs.library.entries(one.about)
    videos = ", ".join(entry.name for entry in entries) or t("ask.page.without_video")
    is_running = services().answers.is_running(one.id)
    state = t("ask.page.answering" if is_running else "ask.page.conversation")
    facts = (videos, local_time(one.created), state if is_running else "")
    return rows.JobRow(one.id, one.name, facts, icon="running" if is_running else "chat", state=state)
