"""State of the form for another model in a browser session: the error of the last action."""

from __future__ import annotations

import streamlit as st

from framelens.plugin_page import ActionState

_KEY = "model_form"


def form_state() -> ActionState:
    """Return the state of this session."""
    state: ActionState = st.session_state.setdefault(_KEY, ActionState())
    return state
