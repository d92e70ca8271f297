"""The Library page: every analysis with its picture, found again by words and filters, and what to do with them."""

from __future__ import annotations

import streamlit as st

from app.i18n import t
from app.ui import resources
from app.ui.formatting import error_words, plain
from app.ui.panels.library import cards, filters, selection
from app.ui.state import page_state

_SOON_SECONDS = 2.0


def draw() -> None:
    """The page; what is not searchable yet is made so meanwhile."""
    state, services = page_state(), resources.services()
    language, indexing = state.language, services.jobs.indexing
    st.markdown(f"## {t('ui.page_library', language)}")
    st.caption(t("library.about", language))
    if state.error:
        st.error(plain(error_words(state.error, language)), icon=":material/error:")
    indexing.begin()
    if services.meanings:
        services.meanings.begin()
    if indexing.num_left:
        st.fragment(_draw_left, run_every=_SOON_SECONDS)(indexing.num_left)
    filters.draw(services, language)
    shown = cards.found(services)
    selection.draw(services, shown.entries, language)
    cards.draw(services, shown, language)
    selection.draw_import(services, language)


def _draw_left(before: int) -> None:
    """How many are left; the cards are drawn anew as they come."""
    left = resources.services().jobs.indexing.num_left
    if left != before:
        st.rerun()
    st.caption(t("library.left", page_state().language, n=left))
