"""State of the form for another model in a browser session."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.state import ActionState
from framelens.core.failures.check_findings import CheckFinding
from framelens.plugins.models.selection import ModelSettings

_KEY = "model_form"


@dataclass
class FormState(ActionState):
    """What came of the last action; `error` is why the model that was chosen last couldn't be used.

    Attributes:
        found: The preflight findings for the model and settings that were checked last.
    """

    found: tuple[ModelSettings, tuple[CheckFinding, ...]] | None = None


def form_state() -> FormState:
    """Return the state of this session."""
    state: FormState = st.session_state.setdefault(_KEY, FormState())
    return state
