"""Further instructions for the next answer, beside its question; all else is set for all answers on the Models page."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.context import services
from framelens.core.errors import InputError
from framelens.i18n import t
from framelens.jobs.answers import Answers
from framelens.plugin_page import Options
from framelens.questions.conversation import MOST_SYSTEM_PROMPT, AskSettings, Conversation

_PROMPT_HEIGHT = 120
"""Pixels."""


def draw(conversation: Conversation | None) -> None:
    """Draw a button that opens the field for instructions; pass None before the first question."""
    label, key = t("ask.page.system_prompt"), _key(conversation)
    with st.popover(label, icon=":material/tune:", type="tertiary", key=f"{key}_popover"):
        tip = t("ask.page.system_prompt_help", most=MOST_SYSTEM_PROMPT)
        options: Options = {"max_chars": MOST_SYSTEM_PROMPT, "height": _PROMPT_HEIGHT, "help": tip}
        st.text_area(label, _last_instructions(conversation), key=f"{key}_system_prompt", **options)


def read(conversation: Conversation | None) -> AskSettings:
    """Return the settings of the Models page with the instructions for this conversation.

    Raises:
        ConfigError: The instructions are too long.
    """
    text = st.session_state.get(f"{_key(conversation)}_system_prompt", _last_instructions(conversation))
    return replace(Answers.usual_settings(services().settings.data_dir), system_prompt=text)


def _key(conversation: Conversation | None) -> str:
    return f"ask_{conversation.id if conversation else 'new'}"


def _last_instructions(conversation: Conversation | None) -> str:
    """Return the instructions of the conversation's last question, else of the newest conversation's."""
    try:
        source = conversation if conversation and conversation.turns else services().conversations.get("latest")
    except InputError:  # there is no conversation yet
        return ""
    return source.turns[-1].settings.system_prompt if source.turns else ""
