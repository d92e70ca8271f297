"""The last net of every page: what no panel caught is told in a sentence, and its traceback goes to the log."""

from __future__ import annotations

import logging

import streamlit as st

from app.core.errors import AppError
from app.ui import resources
from app.ui.formatting import error_words, plain
from app.ui.state import page_state

_log = logging.getLogger(__name__)


def tell(error: Exception) -> bool:
    """Draws the sentence where the page broke off; true, because nothing else is to be shown of it."""
    known = error
    if not isinstance(known, AppError):
        _log.error("a page failed", exc_info=error)
        services = resources.installed().services
        known = AppError("internal", kind=type(error).__name__, log=str(services.log_path) if services else "")
    st.error(plain(error_words(known, page_state().language)), icon=":material/error:")
    return True
