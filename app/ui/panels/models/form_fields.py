"""The fields in which a model is chosen, by their keys, and what puts a model into them."""

from __future__ import annotations

import streamlit as st

from app.errors import AppError
from app.models import Catalogue
from app.places import Place
from app.ui.model_selection import config_text, proposal_for, understood
from app.ui.state import page_state

NAME, CONFIG, ENGINE = "model_name", "model_config", "model_engine"


def take(name: str, catalogue: Catalogue, here: Place) -> None:
    """Put this model into the fields, with the settings that suit it here."""
    st.session_state[NAME] = name
    page_state().model_error = page_state().model_found = None
    try:
        choice = understood(name, catalogue)
    except AppError:
        return
    proposal = proposal_for(choice, here)
    st.session_state[CONFIG] = config_text(proposal.config if proposal else {})
    st.session_state[ENGINE] = choice.entry.engine if choice.entry else "vllm"
