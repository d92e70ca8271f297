"""Start and end of a range, typed; the timeline shows the same range, and each updates the other."""

from __future__ import annotations

import streamlit as st

from app.analysis import has_range, parse_range
from app.core import AppError, Selection, clock
from app.ui.context import t
from app.ui.formatting import error_words, plain
from app.ui.state import page_state

_KEYS = ("range_start", "range_end")
_FIELD_WIDTH = 112  # pixels: two fit side by side in the narrowest column


def draw() -> None:
    """Draw two fields, side by side in the open horizontal container."""
    for key, text in zip(_KEYS, page_state().range_texts, strict=True):
        st.session_state[key] = text  # drawn on the timeline since the last run
        st.text_input(
            t(f"ui.{key}"),
            key=key,
            placeholder=t(f"ui.{key}_empty"),
            on_change=_store_range,
            max_chars=40,
            width=_FIELD_WIDTH,
        )


def draw_error() -> None:
    """Show the error of the fields, if any."""
    try:
        parse_range(*page_state().range_texts)
    except AppError as error:
        st.caption(f":red[{plain(error_words(error))}]")


def format_range(span: tuple[float, float | None], *, digits: int = 1) -> str:
    """Format a range, with `digits` decimals of a second."""
    start, end = (None if edge is None else clock(edge, digits=digits) for edge in span)
    return t("ui.range_from", start=start) if end is None else f"{start}–{end}"


def format_selection(selection: Selection, *, digits: int = 1) -> str:
    """Format the range of a selection; "" for the whole video."""
    if not has_range(selection):
        return ""
    return format_range((selection.start_seconds, selection.end_seconds), digits=digits)


def format_stored_range(start_seconds: float, end_seconds: float | None, *, digits: int = 1) -> str:
    """Format a range as the library stores it; "" for the whole video."""
    return format_range((start_seconds, end_seconds), digits=digits) if start_seconds or end_seconds else ""


def _store_range() -> None:
    start, end = (str(st.session_state[key]) for key in _KEYS)
    page_state().range_texts = (start, end)
