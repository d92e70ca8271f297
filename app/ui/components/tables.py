"""Tables of short texts, and two reports side by side; every cell is shown as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.ui.components.assets import component
from app.ui.view_models import Line

_mount_sides = component("sides", "words")
_mount_table = component("table")


def draw_side_by_side(
    names: tuple[str, str],
    rows: Sequence[Mapping[str, object]],
    *,
    key: str,
    nothing: str,
    heads: Sequence[Sequence[Line]] = (),
) -> None:
    """Draw both reports.

    Args:
        names: Names of the two sides.
        rows: Rows built by app.ui.comparison.
        key: The widget key.
        nothing: Text for an empty side of a row.
        heads: Facts about each side.
    """
    data = {"names": list(names), "rows": list(rows), "heads": [list(head) for head in heads], "nothing": nothing}
    _mount_sides(key=key, data=data)


def draw_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    key: str,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (),
) -> None:
    """Draw the table.

    Args:
        heads: Column headings.
        rows: Cells of each row.
        key: The widget key.
        numbers: Indices of the columns that are aligned right.
        wide: Indices of the columns that hold whole sentences.
    """
    shown = {"heads": list(heads), "rows": [list(row) for row in rows]}
    _mount_table(key=key, data={**shown, "numbers": list(numbers), "wide": list(wide)})
