"""The switch between the languages of the page. It is drawn first, so that all that follows is in the new language."""

from __future__ import annotations

import streamlit as st

from app.core.domain import Language
from app.i18n import LANGUAGES, language_of, t
from app.ui.resources import Installed

_TRANSLATED_CHOICES = ("template", "report_language", "side", "sum_format", "sum_picture")
"""Selectboxes whose choice is shown in the language of the page. Those of the library go by the address instead."""


def draw(installed: Installed) -> Language:
    """The reader's choice; before there is one, the language set for the server, else that of the browser."""
    setting = installed.services.settings.language if installed.services else None
    default = setting or language_of(st.context.locale)
    chosen = st.segmented_control(
        "Language · 语言",
        LANGUAGES,
        default=default,
        format_func=lambda code: t(f"language.{code}", default),
        key="language",
        required=True,
        label_visibility="collapsed",
        bind="query-params",
        on_change=_send_choices,
    )
    return chosen or default


def _send_choices() -> None:
    """Send the choices to the browser once more: it keeps the words that it was sent for them before."""
    for key in st.session_state:
        if key in _TRANSLATED_CHOICES or str(key).startswith(("library_made", "library_sort", "another_template_")):
            st.session_state[key] = st.session_state[key]
