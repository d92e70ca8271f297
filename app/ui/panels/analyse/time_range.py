"""Where a range begins and ends, typed; the same that can be drawn on the timeline, and each shows the other."""

from __future__ import annotations

import streamlit as st

from app.analysis.planning.time_parsing import between, has_range
from app.core.domain import Language, Selection, clock
from app.core.errors import AppError
from app.i18n import t
from app.ui.formatting import error_words, plain
from app.ui.state import page_state

_KEYS = ("range_start", "range_end")
_FIELD_WIDTH = 112  # pixels: two of them stand side by side in the narrowest column


def draw(language: Language) -> None:
    """Two fields, to stand side by side in the container that is open."""
    for key, text in zip(_KEYS, page_state().range_texts, strict=True):
        st.session_state[key] = text  # what was drawn since the fields were shown last
        st.text_input(
            t(f"ui.{key}", language),
            key=key,
            placeholder=t(f"ui.{key}_empty", language),
            on_change=_take,
            max_chars=40,
            width=_FIELD_WIDTH,
        )


def draw_trouble(language: Language) -> None:
    """What is wrong with the fields, where something is."""
    try:
        between(*page_state().range_texts)
    except AppError as error:
        st.caption(f":red[{plain(error_words(error, language))}]")


def words(span: tuple[float, float | None], language: Language, *, digits: int = 1) -> str:
    """The range in a few words, to so many digits of a second."""
    start, end = (None if edge is None else _shortened(clock(edge), digits) for edge in span)
    return t("ui.range_from", language, start=start) if end is None else f"{start}–{end}"


def _shortened(clock_text: str, digits: int) -> str:
    whole, _, fraction = clock_text.partition(".")
    return f"{whole}.{fraction[:digits]}" if digits else whole


def words_of(selection: Selection, language: Language, *, digits: int = 1) -> str:
    """The part of the video that a selection is about, in a few words; "" for all of it."""
    if not has_range(selection):
        return ""
    return words((selection.start_seconds, selection.end_seconds), language, digits=digits)


def words_of_part(start_seconds: float, end_seconds: float | None, language: Language, *, digits: int = 1) -> str:
    """Return the same for a range as the library keeps it."""
    return words((start_seconds, end_seconds), language, digits=digits) if start_seconds or end_seconds else ""


def _take() -> None:
    start, end = (str(st.session_state[key]) for key in _KEYS)
    page_state().range_texts = (start, end)
