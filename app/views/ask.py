"""Ask page: the list of conversations with a field for a new question, or a conversation beside its video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components import assets, player
from app.components.controls import button, choose, show_error
from app.context import services
from app.panels.analyse import progress
from app.panels.ask import chat, composer, start
from app.state import page_state
from framelens.api.playback import video_for
from framelens.core.errors import AppError
from framelens.i18n import t
from framelens.reports.content.labels import printable
from framelens.reports.content.page_text import plain

if TYPE_CHECKING:
    from framelens.questions.conversation import Conversation

_COLUMNS = (5, 7)
"""Ratio of the column widths of video and conversation, as in a report."""


def draw() -> None:
    """Draw the list, or the conversation in the address."""
    conversation = chat.find_open()
    if conversation is None:
        st.markdown(f"## {t('ui.page_ask')}")
        st.caption(t("ask.page.what"))
    names = services().reports.video_names(conversation) if conversation else {}
    if conversation:
        chat.draw_head(conversation)
    if conversation is None:
        with st.container(key="ask_start"):
            composer.draw(None, begin=start.begin, has_subjects=True)
        start.draw_list()
    elif conversation.about:
        left, right = st.columns(_COLUMNS, gap="medium")
        with left, st.container(key=assets.WATCHED):
            shown = _draw_video(conversation, names)
        with right:
            chat.draw_turns(conversation, names, shown=shown, on_open=chat.show)
            composer.draw(conversation)
    else:
        chat.draw_turns(conversation, names, shown="", on_open=chat.open_report)
        composer.draw(conversation)


def _draw_video(conversation: Conversation, names: Mapping[str, str]) -> str:
    """Draw the player, with a choice where the conversation is about several videos; return the analysis shown."""
    shown = conversation.about[0]
    if len(conversation.about) > 1:
        labels = {report_id: printable(names.get(report_id, report_id)) for report_id in conversation.about}
        if st.session_state.get(chat.SHOWN_KEY) not in labels:
            st.session_state[chat.SHOWN_KEY] = shown
        shown = choose(t("ask.page.video"), labels, chat.SHOWN_KEY, label_visibility="collapsed")
    job = services().jobs.snapshot(shown)
    video_id = video_for(services().videos, services().jobs, job)
    if video_id is None:
        st.info(plain(t("ui.video_not_on_page", name=job.name)))
        return shown
    try:
        video = resources.probe_video(job.request.path)
    except AppError as error:
        show_error(error)
        return shown
    every = None if job.is_readable and not chat.is_busy() else progress.POLL_SECONDS
    st.fragment(player.draw, run_every=every)(video_id, video, shown, chat.find_search)
    button(t("ask.page.report"), "ask_report", page_state().open_job, shown, icon="description", kind="tertiary")
    return shown
