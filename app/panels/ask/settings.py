"""Settings of the next answer, each with its limits; a conversation continues with its last question's settings."""

from __future__ import annotations

import streamlit as st

from app.components.controls import Options, button
from app.context import services
from framelens.conversations.conversation import LIMITS, MOST_SYSTEM_PROMPT, AskSettings, Conversation
from framelens.core.errors import InputError
from framelens.i18n import t

_STEPS = {
    "temperature": 0.05,
    "top_p": 0.01,
    "max_tokens": 64,
    "context_tokens": 1024,
    "repetition_penalty": 0.05,
    "search_frames": 100,
    "search_seconds": 60,
}
_PROMPT_HEIGHT = 120
"""Pixels."""


def draw(conversation: Conversation | None) -> None:
    """Draw a button that opens the settings of the next question; pass None before the first question."""
    key = _key(conversation)
    before = _remembered(conversation)
    with st.popover(t("ask.page.settings"), icon=":material/tune:", type="tertiary", key=f"{key}_popover"):
        for name, step in _STEPS.items():
            low, high = LIMITS[name]
            tip = t(f"ask.page.{name}_help", low=f"{low:g}", high=f"{high:g}")
            draw_number = st.slider if name in ("temperature", "top_p") else st.number_input
            draw_number(t(f"ask.page.{name}"), low, high, getattr(before, name), step, key=f"{key}_{name}", help=tip)
        low, high = map(int, LIMITS["seed"])
        options: Options = {"help": t("ask.page.seed_help", low=low, high=high), "placeholder": t("ask.page.seed_none")}
        st.number_input(t("ask.page.seed"), low, high, before.seed, key=f"{key}_seed", **options)
        tip = t("ask.page.system_prompt_help", most=MOST_SYSTEM_PROMPT)
        options = {"max_chars": MOST_SYSTEM_PROMPT, "height": _PROMPT_HEIGHT, "help": tip}
        st.text_area(t("ask.page.system_prompt"), before.system_prompt, key=f"{key}_system_prompt", **options)
        button(t("ask.page.defaults"), f"{key}_defaults", _reset, key, icon="restart_alt")


def read(conversation: Conversation | None) -> AskSettings:
    """Return the settings as they are set.

    Raises:
        ConfigError: A value is out of its limits.
    """
    key, before = _key(conversation), _remembered(conversation)
    names = (*_STEPS, "seed", "system_prompt")
    return AskSettings(**{name: st.session_state.get(f"{key}_{name}", getattr(before, name)) for name in names})


def _key(conversation: Conversation | None) -> str:
    return f"ask_{conversation.id if conversation else 'new'}"


def _remembered(conversation: Conversation | None) -> AskSettings:
    """Return the settings of the conversation's last question, else of the newest conversation's, else the defaults."""
    try:
        known = conversation if conversation and conversation.turns else services().conversations.get("latest")
    except InputError:  # there is no conversation yet
        return AskSettings()
    return known.turns[-1].settings if known.turns else AskSettings()


def _reset(key: str) -> None:
    usual = AskSettings()
    for name in (*_STEPS, "seed", "system_prompt"):
        st.session_state[f"{key}_{name}"] = getattr(usual, name)
