"""Frame options: how many frames, how they are chosen, from which range of the video, and at what size.

The timeline shows the same range, and each updates the other.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.components.controls import choose
from app.state import FORM, page_state
from framelens.analysis.planning.frame_budget import SIDES, is_budgeted
from framelens.analysis.planning.time_parsing import has_range, parse_range
from framelens.core.domain import MOST_FRAMES, Pace, Selection, Strategy
from framelens.core.errors import AppError
from framelens.core.units import clock
from framelens.i18n import t
from framelens.plugin_page import Options
from framelens.reports.content.page_text import error_words, plain

_STRATEGIES: tuple[Strategy, ...] = ("auto", "uniform", "every")
"""Offered here; the commands and the API have more."""
_SIDES = (0, *sorted(SIDES))
"""Longest sides in pixels; 0 leaves the choice to the plan."""
_RANGE_KEYS = ("range_start", "range_end")
_FIELD_WIDTH = 112  # pixels: two fit side by side in the narrowest column


@dataclass(frozen=True)
class FrameChoice:
    """The options as chosen.

    Attributes:
        selection: Strategy and range.
        frames: Largest number of frames.
        adapts: Whether the number follows from the video.
        side: Longest side in pixels, None where the plan chooses it.
    """

    selection: Selection
    frames: int
    adapts: bool
    side: int | None


def draw() -> None:
    """Draw all options. Values survive a change of language."""
    _draw_number()
    names = {key: t(f"strategy.{key}") for key in _STRATEGIES}
    choose(t("ui.strategy"), names, "strategy", st.radio, horizontal=True, persist_state="session")
    if _value("strategy") == "every":
        options: Options = {"step": 1.0, "format": "%g", "key": "every", "persist_state": "session"}
        st.number_input(t("ui.every"), 0.04, 86_400.0, 5.0, **options)
    st.toggle(t("ui.quick_look"), key="is_quick", help=t("ui.quick_look_help"), persist_state="session")
    limit: Options = {"placeholder": t("ui.time_limit_empty"), "persist_state": "session", "width": 2 * _FIELD_WIDTH}
    st.number_input(t("ui.time_limit"), 0.1, 1440.0, None, 1.0, key="time_limit", help=t("ui.time_limit_help"), **limit)
    st.caption(t("ui.range_part"))
    with st.container(horizontal=True):
        draw_time_range()
    draw_time_range_error()
    sides = {side: t("ui.side_pixels" if side else "ui.side_auto", n=side) for side in _SIDES}
    choose(t("ui.side"), sides, "side", help=t("ui.side_help"), persist_state="session")


def read_choice() -> FrameChoice:
    """Return the chosen options.

    Raises:
        InputError: A range that was typed is invalid.
    """
    strategy: Strategy = _value("strategy")
    start, end = read_range() or (0.0, None)
    every = float(_value("every")) if strategy == "every" else None
    adapts = is_automatic()
    frames = MOST_FRAMES if adapts else int(_value(_number_key(strategy)))
    pace: Pace = "fast" if _value("is_quick") else "auto"
    minutes = _value("time_limit")
    selection = Selection(strategy, every, (), start, end, pace, minutes and 60 * minutes)
    return FrameChoice(selection, frames, adapts, _value("side") or None)


def is_automatic() -> bool:
    """Return whether the number of frames follows from the video."""
    return bool(_value("is_automatic")) and is_budgeted(_value("strategy"))


def _value(key: str) -> Any:
    return st.session_state.get(key, FORM[key])


def _draw_number() -> None:
    strategy = _value("strategy")
    is_budget = is_budgeted(strategy)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if is_budget:
            st.toggle(
                t("ui.frames_auto"), True, key="is_automatic", help=t("ui.frames_auto_help"), persist_state="session"
            )
        if not is_automatic():
            key, label_key = _number_key(strategy), "ui.frames" if is_budget else "ui.frames_most"
            usual, tip = int(str(FORM[key])), t(f"{label_key}_help")
            st.number_input(t(label_key), 1, MOST_FRAMES, usual, key=key, help=tip, persist_state="session")


def _number_key(strategy: Strategy) -> str:
    return "frames" if is_budgeted(strategy) else "frames_most"


def draw_time_range() -> None:
    """Draw two fields, side by side in the open horizontal container."""
    for key, text in zip(_RANGE_KEYS, page_state().range_texts, strict=True):
        st.session_state[key] = text  # drawn on the timeline since the last run
        options: Options = {"on_change": _store_range, "max_chars": 40, "width": _FIELD_WIDTH}
        st.text_input(t(f"ui.{key}"), key=key, placeholder=t(f"ui.{key}_empty"), **options)


def draw_time_range_error() -> None:
    """Show the error of the fields, if any."""
    try:
        parse_range(*page_state().range_texts)
    except AppError as error:
        st.caption(f":red[{plain(error_words(error))}]")


def read_range() -> tuple[float, float | None] | None:
    """Return the typed range in seconds, with an open end as None; return None if no range was typed.

    Raises:
        InputError: It can't be read.
    """
    return parse_range(*page_state().range_texts)


def _format_range(span: tuple[float, float | None], *, digits: int = 1) -> str:
    """Format a range, with `digits` decimals of a second."""
    start, end = (None if edge is None else clock(edge, digits=digits) for edge in span)
    return t("ui.range_from", start=start) if end is None else f"{start}–{end}"


def format_selection(selection: Selection, *, digits: int = 1) -> str:
    """Format the range of a selection; "" for the whole video."""
    if not has_range(selection):
        return ""
    return _format_range((selection.start_seconds, selection.end_seconds), digits=digits)


def format_stored_range(start_seconds: float, end_seconds: float | None, *, digits: int = 1) -> str:
    """Format a range as the library stores it; "" for the whole video."""
    return _format_range((start_seconds, end_seconds), digits=digits) if start_seconds or end_seconds else ""


def _store_range() -> None:
    start, end = (str(st.session_state[key]) for key in _RANGE_KEYS)
    page_state().range_texts = (start, end)
