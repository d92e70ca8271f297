"""The document of a report: blocks in reading order, which each format draws in its own way."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.reports.content.document import Block as Block
    from framelens.reports.content.document import Document as Document
    from framelens.reports.content.document import DocumentFacts as DocumentFacts
    from framelens.reports.content.document import Heading as Heading
    from framelens.reports.content.document import Line as Line
    from framelens.reports.content.document import Listing as Listing
    from framelens.reports.content.document import Paragraph as Paragraph
    from framelens.reports.content.document import Span as Span
    from framelens.reports.content.document import Table as Table
    from framelens.reports.content.document import text_line as text_line
    from framelens.reports.text.html import render_html as render_html

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
