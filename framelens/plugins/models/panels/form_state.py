"""State of the form for another model in one browser session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st

from framelens.core.errors import AppError
from framelens.plugins.models.preflight.context import PreflightFinding
from framelens.plugins.models.selection import ModelSettings

_KEY = "model_form"


@dataclass
class FormState:
    """What came of the last action.

    Attributes:
        error: Why the model that was chosen last couldn't be used.
        found: The preflight findings for the model and settings that were checked last.
    """

    error: AppError | None = None
    found: tuple[ModelSettings, tuple[PreflightFinding, ...]] | None = None

    @contextmanager
    def catching_errors(self) -> Iterator[None]:
        """Run an action of the reader, and keep its AppError in place of the previous action's."""
        self.error = None
        try:
            yield
        except AppError as error:
            self.error = error


def form_state() -> FormState:
    """Return the state of this session."""
    state: FormState = st.session_state.setdefault(_KEY, FormState())
    return state
