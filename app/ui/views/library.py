"""Library page: every analysis with its picture, search and filters, and the actions on selected ones."""

from __future__ import annotations

import streamlit as st

from app.ui.context import services, t
from app.ui.formatting import error_words, plain
from app.ui.panels.library import cards, filters, selection
from app.ui.state import page_state

_POLL_SECONDS = 2.0


def draw() -> None:
    """Draw the page, and index the analyses that aren't searchable yet in the background."""
    state, indexing = page_state(), services().jobs.indexing
    st.markdown(f"## {t('ui.page_library')}")
    st.caption(t("library.about"))
    if state.error:
        st.error(plain(error_words(state.error)), icon=":material/error:")
    indexing.begin()
    if semantic_index := services().semantic_index:
        semantic_index.begin()
    if indexing.task.error:
        why = error_words(indexing.task.error)
        st.warning(plain(t("library.indexing_failed", why=why)), icon=":material/warning:")
    elif indexing.num_left:
        st.fragment(_draw_indexing, run_every=_POLL_SECONDS)(indexing.num_left)
    filters.draw()
    shown = cards.found()
    selection.draw(shown.entries)
    cards.draw(shown)
    selection.draw_import()


def _draw_indexing(previous: int) -> None:
    """Show how many analyses are still to be indexed; redraw the page when some were."""
    left = services().jobs.indexing.num_left
    if left != previous:
        st.rerun()
    st.caption(t("library.indexing", n=left))
