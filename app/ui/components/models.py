"""Models in rows, the best first, each with its memory as a bar of what there is and a button that takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui.components.assets import component

_mount = component("models")


@dataclass(frozen=True)
class Row:
    """`share` of the memory is taken, `memory` says it in words. `facts` are short; one that is "" leaves its place
    empty. `is_used`: it is the one that runs now. `note`: how quick it is, "" where nobody knows.
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
    rows: Sequence[Row],
    folded: Mapping[str, Sequence[Row]],
    *,
    heads: Sequence[str],
    words: Mapping[str, str],
    key: str,
    on_use: Callable[[str], None],
) -> None:
    """Draws `rows`, and below them, each folded away under its title, more of them. `heads` are those of name, memory
    and facts in this order. `words`: use, used. `on_use` is called with the id of the row whose button was pressed.
    """
    every = [row for some in (rows, *folded.values()) for row in some]

    def told() -> None:
        chosen = st.session_state[key]["use"]
        if any(chosen == row.id for row in every):
            on_use(chosen)

    folds = [{"title": title, "rows": [vars(row) for row in some]} for title, some in folded.items() if some]
    shown = {"rows": [vars(row) for row in rows], "folds": folds}
    _mount(key=key, data={**shown, "heads": list(heads), "words": dict(words)}, on_use_change=told)
