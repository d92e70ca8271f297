"""Language switch. It is drawn first, so that everything after it is in the new language."""

from __future__ import annotations

import streamlit as st

from app.core import Language
from app.i18n import LANGUAGES, language_of, t
from app.ui.resources import Installed

_TRANSLATED_CHOICES = ("template", "report_language", "side", "sum_format", "sum_picture")
"""Select boxes with translated options. Those of the library are set from the address instead."""


def draw(installed: Installed) -> Language:
    """Draw the switch; return the choice, by default the server's language, else the browser's."""
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
    """Send the choices to the browser again: it keeps the labels that it was sent before."""
    for key in st.session_state:
        if key in _TRANSLATED_CHOICES or str(key).startswith(("library_made", "library_sort", "another_template_")):
            st.session_state[key] = st.session_state[key]
