"""Summary of a report: the answer to the question with its evidence, the summary, and the chapters."""

from __future__ import annotations

import streamlit as st

from app.core.domain import Analysis, Chapter, Finding, Language
from app.i18n import t
from app.reports.content.labels import repeated_text, troubles
from app.reports.content.request_parts import times_of
from app.ui.components import report_blocks
from app.ui.formatting import plain
from app.ui.view_models import Line, chips, flags, format_span, pictures


def draw(analysis: Analysis, language: Language) -> None:
    """Draw the summary; nothing where no model has answered."""
    if not analysis.chunks:
        return
    whole = analysis.whole
    if said := repeated_text(analysis):
        st.markdown(f"##### {t('report.model_wrote', language)}")
        st.code(said, language=None, wrap_lines=True)
        return
    if whole and whole.reply:
        _draw_reply(analysis, whole.reply, language)
    if analysis.overview:
        st.markdown(f"##### {t('report.summary', language)}")
        report_blocks.draw_findings(analysis.overview, analysis.keyframes, language, key="overview")
    for trouble in troubles(analysis.summary, language) if analysis.summary else ():
        st.caption(f"⚠️ {plain(trouble)}")
    if whole and whole.chapters:
        _draw_chapters(analysis, whole.chapters, language)


def _draw_reply(analysis: Analysis, reply: tuple[Finding, ...], language: Language) -> None:
    """Draw each sentence of the answer beside the frames it cites."""
    times, shown = times_of(analysis.keyframes), {frame.number: frame for frame in analysis.keyframes}
    st.markdown(f"##### {t('report.reply', language)}")
    st.caption(plain(analysis.request.question))
    cards = [
        report_blocks.card(
            [{"text": finding.text, "flags": flags(finding, language)}],
            pictures=pictures(finding.frames, shown, analysis.id, language),
            lead=chips(finding.frames, times),
        )
        for finding in reply
    ]
    report_blocks.draw_rows(cards, report_blocks.marks_of(analysis.keyframes), key="reply")


def _draw_chapters(analysis: Analysis, chapters: tuple[Chapter, ...], language: Language) -> None:
    st.markdown(f"##### {t('report.chapters', language)}")
    end = analysis.decode.readable_seconds
    cards = [_chapter(chapter, end) for chapter in chapters]
    report_blocks.draw_rows(cards, report_blocks.marks_of(analysis.keyframes), key="chapters")


def _chapter(chapter: Chapter, end: float) -> dict[str, object]:
    span = format_span(chapter.start_seconds, chapter.end_seconds, end)
    lead: list[Line] = [{"label": span, "seconds": chapter.start_seconds}]
    said: list[Line] = [{"text": chapter.text}] if chapter.text else []
    return report_blocks.card(said, lead=lead, title=chapter.title)
