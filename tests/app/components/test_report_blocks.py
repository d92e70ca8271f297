from __future__ import annotations

from app.components.report_blocks import Renderer, pieces
from framelens.reports.content.document import Table, plain


def test_rows_of_numbers_are_few_pieces_and_one_table() -> None:
    heads = (plain("Shot"), plain("Start"))
    rows = tuple((plain(str(n)), plain(f"{n}.0")) for n in range(250))
    found = list(pieces([Table(heads, rows, numbers=True)]))
    assert [len(piece.blocks[0].rows) for piece in found] == [100, 100, 50]  # type: ignore[union-attr]
    (table,) = Renderer("job", ()).values(found)
    assert (table["kind"], len(table["rows"])) == ("table", 250)  # type: ignore[arg-type]
