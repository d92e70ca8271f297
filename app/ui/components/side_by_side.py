"""Two reports side by side: facts about each at the head, then rows with what the one and the other says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.ui.components.assets import component
from app.ui.view_models import Line

_mount = component("sides", "words")


def draw(
    names: tuple[str, str],
    rows: Sequence[Mapping[str, object]],
    *,
    key: str,
    nothing: str,
    heads: Sequence[Sequence[Line]] = (),
) -> None:
    """`rows` as app.ui.comparison makes them; `nothing` stands where a side says nothing. `heads` are facts of each
    side.
    """
    data = {"names": list(names), "rows": list(rows), "heads": [list(head) for head in heads], "nothing": nothing}
    _mount(key=key, data=data)
