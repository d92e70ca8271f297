"""Rows of models, the best first, each with its memory as a bar and a button that chooses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui.components.assets import component

_mount = component("models")


@dataclass(frozen=True)
class ModelRow:
    """A model.

    Attributes:
        id: Id of the model.
        name: Its name.
        about: What it is, in a line.
        facts: Short texts, one per column; "" leaves a cell empty.
        share: Share of the available memory that it takes.
        memory: The memory in words.
        is_used: Whether it is the model in use.
        note: Its speed in words; "" where that is unknown.
    """

    id: str
    name: str
    about: str
    facts: Sequence[str]
    share: float
    memory: str
    is_used: bool = False
    note: str = ""


def draw(
    rows: Sequence[ModelRow],
    folded: Mapping[str, Sequence[ModelRow]],
    *,
    heads: Sequence[str],
    words: Mapping[str, str],
    key: str,
    on_use: Callable[[str], None],
) -> None:
    """Draw the rows.

    Args:
        rows: The rows that are always shown.
        folded: More rows, by the title under which they are folded away.
        heads: Headings of name, memory and facts, in this order.
        words: Labels: use, used.
        key: The widget key.
        on_use: Called with the id of the row whose button was pressed.
    """
    all_rows = [row for some in (rows, *folded.values()) for row in some]

    def notify() -> None:
        chosen = st.session_state[key]["use"]
        if any(chosen == row.id for row in all_rows):
            on_use(chosen)

    folds = [{"title": title, "rows": [vars(row) for row in some]} for title, some in folded.items() if some]
    shown = {"rows": [vars(row) for row in rows], "folds": folds}
    _mount(key=key, data={**shown, "heads": list(heads), "words": dict(words)}, on_use_change=notify)
