"""The switch between the languages of the page. It is drawn first, so that all that follows is in the new language."""

from __future__ import annotations

import streamlit as st

from app.domain import Language
from app.i18n import LANGUAGES, language_of, t
from app.ui.resources import Installed


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
    )
    return chosen or default
