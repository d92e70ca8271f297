"""A table of short texts, for what the page has to set side by side; every cell is shown as it is."""

from __future__ import annotations

from collections.abc import Sequence

from app.ui.components.assets import component

_mount = component("table")


def draw(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    key: str,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (),
) -> None:
    """`numbers` are the places of the columns that are set to the right, `wide` those of whole sentences."""
    shown = {"heads": list(heads), "rows": [list(row) for row in rows]}
    _mount(key=key, data={**shown, "numbers": list(numbers), "wide": list(wide)})
