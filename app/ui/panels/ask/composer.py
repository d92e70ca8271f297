"""Field for the next question, with images, the kind of question, the range to look at, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

import streamlit as st

from app import ask
from app.i18n import t
from app.ui import error_words, may_change, page_state, plain, services
from app.ui.panels.analyse import frame_options
from app.ui.panels.ask import settings
from app.ui.panels.models import missing_model

if TYPE_CHECKING:
    from app.ask import Conversation

_MOST_MEGABYTES = 32
"""Size of an image file. Chosen by hand; not tuned."""
_KIND_WIDTH = 220  # pixels


def draw(
    conversation: Conversation | None,
    begin: Callable[[], Conversation],
    *,
    has_player: bool = True,
    is_busy: bool = False,
) -> None:
    """Draw the field; it is disabled while there is no model, and while an answer is being written.

    Args:
        conversation: The conversation, None for one that is begun with its first question.
        begin: Returns the conversation that the question belongs to.
        has_player: Whether a range can be drawn in a player beside it.
        is_busy: Whether an answer is being written.
    """
    if not may_change():
        return
    key = f"ask_{conversation.id if conversation else 'new'}"
    now = missing_model.ready()
    with st.container(key="ask_composer", gap="xsmall"):
        if error := page_state().ask_error:
            st.error(plain(error_words(error)), icon=":material/error:")
        if now.kind != "ready":
            missing_model.draw_short(now, key=f"{key}_model")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if conversation is None or conversation.about:
                _draw_kind(key)
            settings.draw(conversation)
            if has_player and (part := page_state().range):
                st.caption(plain(t("ask.page.part", part=frame_options.format_stored_range(*part))), width="content")
        st.chat_input(
            t("ask.page.question"),
            key=f"{key}_question",
            max_chars=ask.MOST_QUESTION,
            max_upload_size=_MOST_MEGABYTES,
            accept_file="multiple",
            disabled=is_busy or now.kind != "ready",
            on_submit=_submit,
            args=(key, conversation, begin),
        )


def _draw_kind(key: str) -> None:
    kinds = get_args(ask.LookKind)
    st.selectbox(
        t("ask.page.kind"),
        kinds,
        format_func={kind: t(f"ask.page.look_{kind}") for kind in kinds}.__getitem__,
        key=f"{key}_kind",
        help=t("ask.page.kind_help"),
        label_visibility="collapsed",
        width=_KIND_WIDTH,
    )


def _submit(key: str, conversation: Conversation | None, begin: Callable[[], Conversation]) -> None:
    """Ask the question; one that can't be asked is put back into the field, without its images."""
    given = st.session_state[f"{key}_question"]
    state = page_state()
    with state.catching_errors("ask_error"):
        kept = services().conversations
        images = kept.keep_images((file.name, file.getvalue()) for file in given.files)
        question = given.text.strip() or (t("ask.page.about_images") if images else "")
        chosen, asked = settings.read(conversation), begin()
        start, end = state.range or (None, None)
        look = ask.Look(st.session_state.get(f"{key}_kind", "auto"), start, end)
        asked = asked.asked(question, chosen, images=images, look=look)
        services().answers.start(services(), asked)
        state.open_chat(asked.id)
    if state.ask_error:
        st.session_state[f"{key}_question"] = given.text
