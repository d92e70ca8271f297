"""What a report says, row by row: cards with pictures, times and statements, and heads of parts. It chooses nothing:
who calls it gives a page of rows at a time, which keeps the longest report quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.ui.components.assets import component
from app.ui.view_models import Line

_mount = component("rows", "words")


def card(
    lines: Sequence[Line], *, pictures: Sequence[Line] = (), lead: Sequence[Line] = (), title: str = ""
) -> dict[str, object]:
    """A row: statements, with the times `lead` and a title above them and pictures at their side."""
    return {"kind": "card", "pictures": list(pictures), "title": title, "lead": list(lead), "lines": list(lines)}


def head(
    title: str, *, note: str = "", flags: Sequence[str] = (), action: Mapping[str, object] | None = None
) -> dict[str, object]:
    """A heading between rows. `action`: the words and the label of its button, and the number that it tells."""
    return {"kind": "head", "title": title, "note": note, "flags": list(flags), "action": action}


def draw(
    rows: Sequence[Mapping[str, object]],
    marks: Mapping[str, float],
    *,
    key: str,
    on_retry: Callable[[int], None] | None = None,
) -> None:
    """Draws the rows. `marks` are the seconds of the frames whose numbers may be named in a text. `on_retry` is called
    with the number of a head's action.
    """

    def told() -> None:
        number = st.session_state[key]["retry"]
        if on_retry and isinstance(number, int):
            on_retry(number)

    _mount(key=key, data={"rows": list(rows), "marks": dict(marks)}, on_retry_change=told)
