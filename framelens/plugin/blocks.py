"""The document of a report: blocks in reading order, which each format draws in its own way."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.reports.content.builder import document as document
    from framelens.reports.content.document import Block as Block
    from framelens.reports.content.document import ChapterCard as ChapterCard
    from framelens.reports.content.document import Chapters as Chapters
    from framelens.reports.content.document import Document as Document
    from framelens.reports.content.document import DocumentFacts as DocumentFacts
    from framelens.reports.content.document import FindingItem as FindingItem
    from framelens.reports.content.document import Findings as Findings
    from framelens.reports.content.document import Fold as Fold
    from framelens.reports.content.document import Gallery as Gallery
    from framelens.reports.content.document import Heading as Heading
    from framelens.reports.content.document import Line as Line
    from framelens.reports.content.document import Listing as Listing
    from framelens.reports.content.document import Measurements as Measurements
    from framelens.reports.content.document import Paragraph as Paragraph
    from framelens.reports.content.document import PictureBlock as PictureBlock
    from framelens.reports.content.document import Span as Span
    from framelens.reports.content.document import Table as Table
    from framelens.reports.content.document import ThumbnailRow as ThumbnailRow
    from framelens.reports.content.document import Timeline as Timeline
    from framelens.reports.content.document import Verbatim as Verbatim
    from framelens.reports.content.document import signed as signed
    from framelens.reports.content.document import text_line as text_line
    from framelens.reports.content.labels import moment_address as moment_address
    from framelens.reports.graphics.chart_svg import chart_png as chart_png
    from framelens.reports.text.html import render_html as render_html

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
