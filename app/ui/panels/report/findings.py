"""Findings of a report in time order, by part, a page at a time, with a button that asks a part again.

A report may hold ten thousand findings: the browser gets one page, and turning it redraws only the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

import streamlit as st

from app.core import UNKNOWN_PATH, Analysis, Chapter, Finding
from app.i18n import labelled
from app.reports.content import RequestPart, parts_of, repeated_text, times_of, troubles
from app.ui.components import report_blocks
from app.ui.context import language, services, t
from app.ui.formatting import plain
from app.ui.state import page_state
from app.ui.view_models import Line, chips, flags, format_span, line, pictures

PAGE = 40
"""Findings on a page: a few screens, drawn at once. Chosen by hand; not tuned."""
_SEARCH_ABOVE = 12
"""The search appears above this number of findings. Chosen by hand; not tuned."""
_Entry = tuple[RequestPart, Finding | None]


@st.fragment
def draw(job_id: str) -> None:
    """Draw the heading, the search, one page of findings, and the page buttons."""
    analysis = services().jobs.snapshot(job_id).analysis
    if analysis is None:
        st.rerun()
    parts = parts_of(analysis)
    total = sum(len(part.result.findings) for part in parts if part.result)
    if total:
        st.markdown(f"##### {t('report.findings')}")
    words, only_doubtful = _draw_search() if total > _SEARCH_ABOVE else ("", False)
    entries = list(_entries(parts, words.strip().casefold(), only_doubtful))
    if not entries:
        st.caption(t("ui.findings_none"))
        return
    first = PAGE * (_draw_pages(len(entries), total) - 1)
    shown = entries[first : first + PAGE]
    marks = report_blocks.marks_of(analysis.keyframes)
    retry = partial(_retry, job_id)
    report_blocks.draw_rows(list(_rows(shown, len(parts), analysis)), marks, key="findings", on_retry=retry)


def _entries(parts: Sequence[RequestPart], words: str, only_doubtful: bool) -> Iterator[_Entry]:
    """Yield the matching findings; without a filter also the parts that have none."""
    is_filtered = bool(words) or only_doubtful
    for part in parts:
        findings = part.result.findings if part.result else ()
        for finding in findings:
            if (finding.issues or not only_doubtful) and (not words or words in _searched(finding)):
                yield part, finding
        if not findings and not is_filtered:
            yield part, None


def _searched(finding: Finding) -> str:
    return " ".join((finding.text, *finding.fields.values())).casefold()


def _draw_search() -> tuple[str, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            t("ui.findings_search"),
            key="findings_search",
            icon=":material/search:",
            max_chars=200,
            width=320,
        )
        only = st.toggle(t("ui.findings_doubtful"), key="findings_doubtful")
    return words, only


def _draw_pages(found: int, total: int) -> int:
    """Draw the page buttons where there are several pages, and return the page, counted from 1."""
    pages = -(-found // PAGE)
    if pages == 1:
        return 1
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(pages, key=f"findings_page_{pages}")
        first = PAGE * (page - 1)
        st.caption(t("ui.findings_shown", first=first + 1, last=min(found, first + PAGE), total=total))
    return page


def _rows(shown: Sequence[_Entry], num_parts: int, analysis: Analysis) -> Iterator[dict[str, object]]:
    """Yield a heading for each part, and a card for consecutive findings on the same frames."""
    times = times_of(analysis.keyframes)
    frames = {frame.number: frame for frame in analysis.keyframes}
    for part, in_part in groupby(shown, key=lambda entry: entry[0]):
        yield _head(part, num_parts, analysis)
        findings = [finding for _, finding in in_part if finding]
        for numbers, same_frames in groupby(findings, key=lambda finding: finding.frames):
            lines = [{**line(one, times, analysis.field_names), "chips": []} for one in same_frames]
            thumbnails = pictures(numbers, frames, analysis.id)
            yield report_blocks.card(lines, pictures=thumbnails, lead=chips(numbers, times))


def _head(part: RequestPart, num_parts: int, analysis: Analysis) -> dict[str, object]:
    title = t("ui.answer_part", n=part.place) if num_parts > 1 else t("ui.part_only")
    end = analysis.decode.readable_seconds
    flags = [f"⚠️ {words}" for words in troubles(part.result, language())] if part.result else []
    words = t("ui.part_retry" if part.result else "ui.part_ask")
    action = {"words": words, "label": labelled(words, title, language()), "number": part.number}
    return report_blocks.head(
        title,
        note=format_span(part.start_seconds, part.end_seconds, end),
        flags=flags if part.result else [t("ui.part_failed")],
        action=action if analysis.video.path != UNKNOWN_PATH else None,
    )


def _retry(job_id: str, number: int) -> None:
    with page_state().catching_errors():
        services().jobs.retry(job_id, number)
    st.rerun()  # the findings are a fragment, but the whole page shows that a part is asked again


def draw_summary(analysis: Analysis) -> None:
    """Draw the summary; nothing where no model has answered."""
    if not analysis.chunks:
        return
    whole = analysis.whole
    if said := repeated_text(analysis):
        st.markdown(f"##### {t('report.model_wrote')}")
        st.code(said, language=None, wrap_lines=True)
        return
    if whole and whole.reply:
        _draw_reply(analysis, whole.reply)
    if analysis.overview:
        st.markdown(f"##### {t('report.summary')}")
        report_blocks.draw_findings(analysis.overview, analysis.keyframes, key="overview")
    for trouble in troubles(analysis.summary, language()) if analysis.summary else ():
        st.caption(f"⚠️ {plain(trouble)}")
    if whole and whole.chapters:
        _draw_chapters(analysis, whole.chapters)


def _draw_reply(analysis: Analysis, reply: tuple[Finding, ...]) -> None:
    """Draw each sentence of the answer beside the frames it cites."""
    times, shown = times_of(analysis.keyframes), {frame.number: frame for frame in analysis.keyframes}
    st.markdown(f"##### {t('report.reply')}")
    st.caption(plain(analysis.request.question))
    cards = [
        report_blocks.card(
            [{"text": finding.text, "flags": flags(finding)}],
            pictures=pictures(finding.frames, shown, analysis.id),
            lead=chips(finding.frames, times),
        )
        for finding in reply
    ]
    report_blocks.draw_rows(cards, report_blocks.marks_of(analysis.keyframes), key="reply")


def _draw_chapters(analysis: Analysis, chapters: tuple[Chapter, ...]) -> None:
    st.markdown(f"##### {t('report.chapters')}")
    end = analysis.decode.readable_seconds
    cards = [_chapter(chapter, end) for chapter in chapters]
    report_blocks.draw_rows(cards, report_blocks.marks_of(analysis.keyframes), key="chapters")


def _chapter(chapter: Chapter, end: float) -> dict[str, object]:
    span = format_span(chapter.start_seconds, chapter.end_seconds, end)
    lead: list[Line] = [{"label": span, "seconds": chapter.start_seconds}]
    said: list[Line] = [{"text": chapter.text}] if chapter.text else []
    return report_blocks.card(said, lead=lead, title=chapter.title)
