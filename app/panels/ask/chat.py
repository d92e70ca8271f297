"""Open conversation: its name with the actions for it, and its turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.components import exports
from app.components.controls import button, show_error
from app.context import may_change, services
from app.panels.ask import start, turns
from app.panels.ask.pictures import Pictures
from app.panels.library import trash
from app.state import page_state
from framelens.core.errors import AppError
from framelens.core.evidence import Moments
from framelens.i18n import t
from framelens.plugin_page import SaveButton, SaveGroup
from framelens.reports.content.page_text import plain

if TYPE_CHECKING:
    from framelens.questions.conversation import Conversation, FrameRef

_MOST_NAME = 200
"""Characters."""
SHOWN_KEY = "ask_shown"
"""Key of the choice among the videos of a conversation."""


def find_open() -> Conversation | None:
    """Return the conversation in the address, with a new question that isn't stored yet, or None."""
    state = page_state()
    if not state.chat_id:
        return None
    if (task := services().answers.get(state.chat_id)) and task.progress:
        return task.progress.conversation
    try:
        return services().conversations.get(state.chat_id)
    except AppError as error:
        state.open_chat(None)
        state.ask_error = error
        return None


def is_busy() -> bool:
    """Return whether the open conversation is being answered."""
    chat_id = page_state().chat_id
    return chat_id is not None and services().answers.is_running(chat_id)


def find_search(job_id: str) -> Moments | None:
    """Return the open conversation's latest search in the video of an analysis, or None without a search."""
    conversation = find_open()
    turns = reversed(conversation.branch()) if conversation else ()
    searches = (moment for turn in turns if turn.evidence for moment in turn.evidence.moments)
    return next((search for search in searches if search.analysis_id == job_id), None)


def draw_head(conversation: Conversation) -> None:
    """Draw the way back to the list, the menu, and the name unless it only repeats the first question."""
    with st.container(
        horizontal=True, wrap=False, vertical_alignment="center", horizontal_alignment="distribute", key="ask_head"
    ):
        button(t("ask.page.all"), "ask_all", page_state().open_chat, None, icon="arrow_back", kind="tertiary")
        with st.popover(t("ask.page.menu"), icon=":material/more_vert:", type="tertiary", key="ask_menu"):
            _draw_menu(conversation)
    if not conversation.is_named_by_question:
        st.markdown(f"#### {plain(conversation.name)}")


def _draw_menu(conversation: Conversation) -> None:
    key = f"ask_{conversation.id}"
    is_busy = services().answers.is_running(conversation.id)
    if may_change():
        with st.form(f"{key}_rename", border=False):
            st.text_input(t("ask.page.name"), conversation.name, max_chars=_MOST_NAME, key=f"{key}_name")
            st.form_submit_button(t("ask.page.rename"), on_click=_rename, args=(conversation.id, f"{key}_name"))

    items = (_save_button(conversation.id, name) for name in ("markdown", "json"))
    exports.draw([SaveGroup(tuple(items))], key=f"{key}_exports")
    if not may_change():
        return
    with st.container(horizontal=True):
        clear, tip, is_blocked = t("ask.page.clear"), t("ask.page.clear_help"), is_busy or not conversation.current
        button(clear, f"{key}_clear", _clear, conversation.id, icon="clear_all", help=tip, disabled=is_blocked)
        button(f":red[{t('library.delete')}]", f"{key}_delete", _delete, conversation.id, icon="delete")


def _save_button(conversation_id: str, name: str) -> SaveButton:
    return SaveButton(t(f"ask.page.save_{name}"), exports.export_url(f"conversations/{conversation_id}/exports/{name}"))


def _rename(conversation_id: str, key: str) -> None:
    with page_state().catching_errors("ask_error"):
        services().conversations.rename(conversation_id, st.session_state[key])


def _clear(conversation_id: str) -> None:
    """Begin again before the first question; the branches stay."""
    with page_state().catching_errors("ask_error"):
        conversation = services().conversations.get(conversation_id)
        services().conversations.save(replace(conversation, current=0), conversation.turns[-1])


def _delete(conversation_id: str) -> None:
    """Move a conversation to the trash; the list has a button that brings it back."""
    state = page_state()
    with state.catching_errors("ask_error"):
        services().answers.stop(conversation_id)
        trash.offer_undo("conversation", services().conversations.discard(conversation_id))
        state.open_chat(None)


def draw_below(job_id: str) -> Conversation | None:
    """Draw the open conversation about a report below it and return it, else list all of them."""
    conversation = find_open()
    if conversation is None or job_id not in conversation.about:
        start.draw_list(job_id)
        return None
    draw_head(conversation)
    draw_turns(conversation, services().reports.video_names(conversation), shown=job_id, on_open=_go_to_page)
    return conversation


def _go_to_page(frame: FrameRef) -> None:
    """Show another video at a frame, on the page that has its player."""
    page_state().go_to_page("ask")
    show(frame)


def show(frame: FrameRef) -> None:
    """Show another video of the conversation on its page at a frame."""
    st.session_state[SHOWN_KEY] = frame.analysis_id
    page_state().go_to(frame.time_seconds)


def open_report(frame: FrameRef) -> None:
    """Open the report of a frame at its time, where the page has no player."""
    page_state().open_job(frame.analysis_id)
    page_state().go_to(frame.time_seconds)


def _is_stated(conversation: Conversation) -> bool:
    """Return whether the last turn says why it failed, with a button that asks again."""
    return bool(conversation.turns and conversation.current) and conversation.last.state == "failed"


def draw_turns(
    conversation: Conversation, names: Mapping[str, str], *, shown: str, on_open: Callable[[FrameRef], None]
) -> None:
    """Draw the shown branch.

    Args:
        conversation: The conversation.
        names: Names of the videos by the ids of their analyses.
        shown: The analysis whose video is in the player, or "" without a player.
        on_open: Called with a frame of another video, which is to be shown.
    """
    task = services().answers.get(conversation.id)
    is_busy = task is not None and task.is_running
    corrected = services().reports.as_corrected(conversation)
    turns.draw(turns.ChatView(conversation, corrected, Pictures(names), shown, on_open, is_busy))
    if task and task.error and not is_busy and not _is_stated(conversation):
        with st.container(border=True):
            show_error(task.error)
            button(t("ask.page.retry"), "ask_retry", task.restart, icon="refresh")
    if conversation.turns and not conversation.current:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(t("ask.page.cleared"), width="content")
            last = conversation.turns[-1].number
            args = (conversation.id, last)
            button(t("ask.page.show_again"), "ask_show_again", turns.switch, *args, kind="tertiary")
