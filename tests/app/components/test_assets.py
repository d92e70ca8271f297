"""What the page gives to components and Markdown: text that can't reverse the text beside it."""

from app.components.assets import printable_data
from framelens.reports.content.page_text import plain


def test_no_component_gets_marks_that_turn_text() -> None:
    assert plain("a \u202e b") == r"a \[U\+202E\] b"  # markdown names marks that turn text
    # Components get no marks that turn text.
    data = {"name": "evil\u202e4pm.exe", "rows": [("a\u2067", 1, None)], "heads": ["计数"]}
    assert printable_data(data) == {"name": "evil[U+202E]4pm.exe", "rows": [["a[U+2067]", 1, None]], "heads": ["计数"]}
