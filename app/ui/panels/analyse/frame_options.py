"""Frame options: how many frames, how they are chosen, from which range of the video, and at what size.

Most options are folded away, since the default strategy needs no choice. The timeline shows the same range, and each
updates the other.
"""

from dataclasses import dataclass
from typing import get_args

import streamlit as st

from app.analysis import SIDES, has_range, is_budgeted, parse_range, parse_times
from app.core import MOST_FRAMES, AppError, InputError, Selection, Strategy, clock
from app.i18n import t
from app.ui import error_words, page_state, plain

SLIDER_FRAMES = 64
"""Upper end of the slider. Chosen by hand; not tuned."""
_STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
_SIDES = (0, *sorted(SIDES))
"""Longest sides in pixels; 0 leaves the choice to the plan."""
_RANGE_KEYS = ("range_start", "range_end")
_FIELD_WIDTH = 112  # pixels: two fit side by side in the narrowest column


@dataclass(frozen=True)
class FrameChoice:
    """The options as chosen.

    Attributes:
        selection: Strategy and range.
        frames: Largest number of frames, None for as many as one request to the model holds.
        side: Longest side in pixels, None where the plan chooses it.
    """

    selection: Selection
    frames: int | None
    side: int | None


def draw() -> None:
    """Draw the number of frames, and the other options in a fold. Values survive a change of language."""
    _draw_number()
    with st.expander(plain(_heading()), icon=":material/tune:", key="choice"):
        st.radio(
            t("ui.strategy"),
            _STRATEGIES,
            format_func={key: t(f"strategy.{key}") for key in _STRATEGIES}.__getitem__,
            captions=[t(f"strategy.why.{key}") for key in _STRATEGIES],
            key="strategy",
            label_visibility="collapsed",
            persist_state="session",
        )
        _draw_details()
        st.caption(t("ui.range_part"))
        with st.container(horizontal=True):
            draw_time_range()
        draw_time_range_error()
        st.selectbox(
            t("ui.side"),
            _SIDES,
            format_func={side: t("ui.side_pixels" if side else "ui.side_auto", n=side) for side in _SIDES}.__getitem__,
            key="side",
            help=t("ui.side_help"),
            persist_state="session",
        )


def read_choice() -> FrameChoice:
    """Return the chosen options.

    Raises:
        InputError: A range or time that was typed is invalid.
    """
    strategy: Strategy = st.session_state.get("strategy", "auto")
    start, end = read_range() or (0.0, None)
    at = _times() if strategy == "times" else ()
    every = float(st.session_state["every"]) if strategy == "every" else None
    fits = bool(st.session_state.get("frames_fit")) and not at
    frames = MOST_FRAMES if at else int(st.session_state[_number_key(strategy)])
    return FrameChoice(
        Selection(strategy, every, at, start, end), None if fits else frames, st.session_state["side"] or None
    )


def _draw_number() -> None:
    strategy = st.session_state.get("strategy", "auto")
    if strategy == "times":  # one for each time
        return
    is_budget = is_budgeted(strategy)
    st.slider(
        t("ui.frames" if is_budget else "ui.frames_most"),
        1,
        SLIDER_FRAMES if is_budget else MOST_FRAMES,
        8 if is_budget else SLIDER_FRAMES,
        key=_number_key(strategy),
        help=t("ui.frames_help" if is_budget else "ui.frames_most_help"),
        disabled=bool(st.session_state.get("frames_fit")),
        persist_state="session",
    )
    st.toggle(
        t("ui.frames_fit"),
        key="frames_fit",
        help=t("ui.frames_fit_help"),
        persist_state="session",
    )


def _number_key(strategy: Strategy) -> str:
    return "frames" if is_budgeted(strategy) else "frames_most"


def _draw_details() -> None:
    match st.session_state["strategy"]:
        case "every":
            st.number_input(
                t("ui.every"),
                0.04,
                86_400.0,
                5.0,
                step=1.0,
                format="%g",
                key="every",
                persist_state="session",
            )
        case "times":
            st.text_input(t("ui.times"), key="times", placeholder="1.5, 3, 1:07.25", persist_state="session")
        case _:
            pass


def _heading() -> str:
    strategy = t(f"strategy.{st.session_state.get('strategy', 'auto')}")
    parts = [t("ui.which_frames", strategy=strategy)]
    if drawn := page_state().range:
        parts.append(_format_range(drawn))
    return " · ".join(parts)


def _times() -> tuple[float, ...]:
    text = str(st.session_state["times"]).strip()
    if not text:
        raise InputError("times_missing")
    try:
        return parse_times(text)
    except ValueError as error:
        raise InputError("time_unreadable", given=text[:60]) from error


def draw_time_range() -> None:
    """Draw two fields, side by side in the open horizontal container."""
    for key, text in zip(_RANGE_KEYS, page_state().range_texts, strict=True):
        st.session_state[key] = text  # drawn on the timeline since the last run
        st.text_input(
            t(f"ui.{key}"),
            key=key,
            placeholder=t(f"ui.{key}_empty"),
            on_change=_store_range,
            max_chars=40,
            width=_FIELD_WIDTH,
        )


def draw_time_range_error() -> None:
    """Show the error of the fields, if any."""
    try:
        parse_range(*page_state().range_texts)
    except AppError as error:
        st.caption(f":red[{plain(error_words(error))}]")


def read_range() -> tuple[float, float | None] | None:
    """Return the range that was typed in seconds, with an open end as None; None where there is none.

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
