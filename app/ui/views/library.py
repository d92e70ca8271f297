"""The Library page: every analysis with its picture, found again by words and filters, and what to do with them."""

from __future__ import annotations

import streamlit as st

from app.i18n import t
from app.ui import resources
from app.ui.panels import library_cards, library_chosen, library_filters
from app.ui.state import page_state
from app.ui.words import error_words, plain

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
    library_filters.draw(services, language)
    shown = library_cards.found(services)
    library_chosen.draw(services, shown.entries, language)
    library_cards.draw(services, shown, language)
    library_chosen.draw_import(services, language)


def _draw_left(before: int) -> None:
    """How many are left; the cards are drawn anew as they come."""
    left = resources.services().jobs.indexing.num_left
    if left != before:
        st.rerun()
    st.caption(t("library.left", page_state().language, n=left))
