"""Conversations so far, and what the first question of a new conversation is about: reports, videos, or nothing."""

from __future__ import annotations

import streamlit as st

from app.components.controls import button, removable
from app.context import services
from app.formatting import local_time
from app.panels.analyse import video_picker
from app.panels.library import trash
from app.panels.work import rows
from app.state import page_state
from framelens.i18n import language, t
from framelens.plugin_page import JobRow, Options
from framelens.questions.conversation import Conversation
from framelens.reports.content.labels import printable
from framelens.reports.content.page_text import joined
from framelens.store.library_index import LibraryQuery

EVERYWHERE_KEY = "ask_everywhere"
"""Key of the choice to ask about the whole library."""
_LISTED = 20
"""Conversations in the list at first."""


def draw_subjects() -> None:
    """Draw what the new conversation is about, each with a way to remove it: reports, and videos without a report."""
    state = page_state()
    for entry in services().jobs.library.entries(state.asked_reports):
        removable(printable(joined(entry.name, rows.topic_of(entry))), f"ask_leave_{entry.id}", _leave_out, entry.id)
    for video_id in state.asked_videos:
        removable(video_picker.name_of(video_id), f"ask_leave_{video_id}", _leave_out, video_id)


def draw_everywhere() -> None:
    """Draw the choice to ask about the whole library, if no report or video is chosen and there are several."""
    state = page_state()
    is_chosen = state.asked_reports or state.asked_videos
    if services().library_search and not is_chosen and services().jobs.library.count(LibraryQuery()) > 1:
        st.toggle(t("ask.page.everywhere"), key=EVERYWHERE_KEY, help=t("ask.page.everywhere_help"))


def _leave_out(id_: str) -> None:
    state = page_state()
    state.asked_reports = tuple(asked_report for asked_report in state.asked_reports if asked_report != id_)
    state.asked_videos = tuple(asked_video for asked_video in state.asked_videos if asked_video != id_)


def begin() -> Conversation:
    """Return the new conversation about the chosen items; frames of videos without a report are being selected then.

    Raises:
        AppError: A video can't be used.
    """
    state = page_state()
    videos = [
        (services().videos.path(asked_video), services().videos.name(asked_video)) for asked_video in state.asked_videos
    ]
    prepared = [services().asking.prepare_frames(path, name, language()) for path, name in videos]
    about = (*state.asked_reports, *prepared)
    state.asked_reports, state.asked_videos = (), ()  # the next conversation is about something else
    return Conversation.begun_about(about, language())


def begin_about(job_id: str) -> Conversation:
    """Return a new conversation about one analysis."""
    return Conversation.begun_about((job_id,), language())


def draw_list(job_id: str | None = None) -> None:
    """Draw the conversations, all or those about one analysis, with a search and the last deleted conversation."""
    trash.draw_undo("conversation")
    repository = services().conversations
    about = None if job_id is None else (job_id,)
    first = repository.find(analysis_ids=about, limit=_LISTED)
    if not first:
        return
    st.markdown(f"##### {t('ask.page.conversations')}")
    text = ""
    if len(first) > 4:
        label, icon = t("ask.page.search"), ":material/search:"
        options: Options = {"max_chars": 200, "label_visibility": "collapsed", "placeholder": label}
        text = st.text_input(label, key="ask_search", icon=icon, **options)
    limit = _LISTED * (1 + st.session_state.get("ask_more", 0))
    matches = repository.find(text, analysis_ids=about, limit=limit + 1)
    if not matches:
        st.caption(t("ask.page.none_found"))
    rows.draw([_row(conversation) for conversation in matches[:limit]], key="ask_list", on_open=page_state().open_chat)
    if len(matches) > limit:
        button(t("ask.page.more"), "ask_more_button", _show_more, kind="tertiary")


def _show_more() -> None:
    st.session_state["ask_more"] = st.session_state.get("ask_more", 0) + 1


def _row(conversation: Conversation) -> JobRow:
    entries = services().jobs.library.entries(conversation.about)
    about = t("ask.page.everywhere" if conversation.is_everywhere else "ask.page.without_video")
    videos = ", ".join(entry.name for entry in entries) or about
    is_running = services().answers.is_running(conversation.id)
    state = t("ask.page.answering" if is_running else "ask.page.conversation")
    facts = (videos, local_time(conversation.created), state if is_running else "")
    return JobRow(conversation.id, conversation.name, facts, icon="running" if is_running else "chat", state=state)
