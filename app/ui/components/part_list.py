"""The parts of an analysis while they are answered: each with its time, its state, and its words as they grow.

A part that is done is sent as a line, its contents only while it is unfolded: a poll of a long analysis stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app.ui.components.assets import component
from app.ui.view_models import Line

State = Literal["waiting", "busy", "done", "failed"]
_KEY = "parts"
_mount = component("parts", "words")


@dataclass(frozen=True)
class PartView:
    """`text` is what has come of an answer on its way, `brief` one line of what is done or why it failed; `lines` are
    the statements of an unfolded part, None for one that is folded.
    """

    number: int
    title: str
    note: str
    state: State
    state_words: str
    brief: str = ""
    text: str = ""
    lines: Sequence[Line] | None = None
    can_open: bool = False


def opened() -> frozenset[int]:
    """The numbers of the parts that the reader has unfolded."""
    told = st.session_state.get(_KEY) or {}
    return frozenset(number for number in told.get("open") or () if isinstance(number, int))


def draw(parts: Sequence[PartView], marks: Mapping[str, float]) -> None:
    """Draws them in the order given."""
    _mount(
        key=_KEY,
        data={"parts": [vars(part) for part in parts], "marks": dict(marks)},
        on_open_change=lambda: None,
    )
