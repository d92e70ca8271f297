"""Language switch. It is drawn first, so that everything after it is in the new language."""

import streamlit as st

from app.context import LANGUAGE_KEY, default_language
from framelens.i18n import LANGUAGES, t

_TRANSLATED_CHOICES = ("template", "report_language", "side", "sum_format", "sum_picture")
"""Select boxes with translated options. Those of the library are set from the address instead."""


def draw() -> None:
    """Draw the switch."""
    default = default_language()
    st.segmented_control(
        "Language · 语言",
        LANGUAGES,
        default=default,
        format_func={code: t(f"language.{code}", default) for code in LANGUAGES}.__getitem__,
        key=LANGUAGE_KEY,
        required=True,
        label_visibility="collapsed",
        bind="query-params",
        on_change=_send_choices,
    )


def _send_choices() -> None:
    """Send the choices to the browser again: it keeps the labels that it was sent before."""
    for key in st.session_state:
        if key in _TRANSLATED_CHOICES or str(key).startswith(("library_made", "library_sort", "another_template_")):
            st.session_state[key] = st.session_state[key]
