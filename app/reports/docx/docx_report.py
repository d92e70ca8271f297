"""The report as a Word file, for people who go on writing in it.

Only what Word and LibreOffice read alike is in it. A time is a link to that moment of the video, which opens where the
video lies beside the report.
"""

from __future__ import annotations

from app.domain import Analysis, Language
from app.reports.content.builder import document

MIME = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def write(analysis: Analysis, language: Language) -> bytes:
    """Office Open XML, about 60 KB for each keyframe; the same analysis gives the same bytes."""
    from app.reports.docx.package import Package
    from app.reports.docx.report import Drawer  # python-docx, which what only names formats need not wait for

    told = document(analysis, language)
    package = Package(told)
    drawer = Drawer(package, told.facts.video)
    package.body.extend(drawer.title(told.title))
    for block in told.blocks:
        package.body.extend(drawer.block(block))
    return package.packed()
