from app.components.report_blocks import Renderer, pieces
from framelens.reports.content.document import Fold, Heading, Listing, Paragraph, Table, text_line


def test_rows_of_numbers_are_few_pieces_and_one_table() -> None:
    heads = (text_line("Shot"), text_line("Start"))
    rows = tuple((text_line(str(n)), text_line(f"{n}.0")) for n in range(250))
    found = list(pieces([Table(heads, rows, numbers=True)]))
    assert [len(piece.blocks[0].rows) for piece in found] == [100, 100, 50]  # type: ignore[union-attr]
    (table,) = Renderer("job", ()).values(found)
    assert (table["kind"], len(table["rows"])) == ("table", 250)  # type: ignore[arg-type]


def test_folded_pages_are_pieces_in_one_fold_below_their_titles() -> None:
    pages = [(Heading(3, text_line(f"Page {n}"), f"page-{n}"), Paragraph(text_line(f"text {n}"))) for n in range(3)]
    titles = Listing(tuple(text_line(f"Page {n}") for n in range(3)), (0, 0, 0))
    fold = Fold("All pages", tuple(block for page in pages for block in page))
    found = list(pieces([Heading(2, text_line("Pages"), "pages"), titles, fold]))
    assert [piece.text for piece in found] == [
        "page 0 page 1 page 2",
        "page 0 text 0",
        "page 1 text 1",
        "page 2 text 2",
    ]
    heading, listing, folded = Renderer("job", ()).values(found)
    assert (heading["kind"], listing["kind"], folded["kind"]) == ("heading", "items", "fold")
    assert len(folded["blocks"][0]["rows"]) == 3  # type: ignore[index]
