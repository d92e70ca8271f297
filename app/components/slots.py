"""Places in the pages in which plugins draw (`framelens.registry.SLOTS`)."""

import streamlit as st

from app.formatting import error_words, plain
from framelens import registry
from framelens.core.errors import AppError


def draw(place: str, *given: object) -> None:
    """Let plugins draw in a place; what one can't is said there, and the rest of the page is drawn."""
    for function in registry.in_slot(place):
        try:
            function(*given)
        except AppError as error:
            st.error(plain(error_words(error)), icon=":material/error:")
