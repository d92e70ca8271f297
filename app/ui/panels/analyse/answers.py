"""Answers so far: the parts in time order, the summary of the whole, and the frames until a part is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.core.domain import ChunkResult, Language, Notice, clock
from app.i18n import notice_text, sentences, t
from app.reports.content.labels import troubles
from app.reports.content.request_parts import layout_parts, times_of
from app.ui.components import frames, report_blocks
from app.ui.components.report_blocks import PartView
from app.ui.formatting import plain
from app.ui.view_models import format_span, line

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services.container import Services

_MAX_CHARACTERS = 4000
"""Characters shown of an incoming answer; of a longer one the end, which is the part that grows. Chosen by hand; not
tuned.
"""


def draw(services: Services, job_id: str, language: Language) -> None:
    """Draw the answers and the frames so far."""
    job = services.jobs.snapshot(job_id)
    if reason := text_mode_reason(job):
        st.warning(plain(notice_text(reason, language)))
    _draw_whole(job, language)
    if shown := build_views(job, language, report_blocks.opened_parts()):
        st.markdown(f"##### {t('ui.parts' if len(shown) > 1 else 'ui.answer', language)}")
        report_blocks.draw_parts(shown, report_blocks.marks_of(job.keyframes))
    if found := job.keyframes or job.found:
        st.markdown(f"##### {t('ui.keyframes' if job.keyframes else 'ui.found', language)}")
        frames.draw(found, job_id, language, key="found")


def draw_kept(job: JobSnapshot, language: Language) -> None:
    """Draw the answers of a job that stopped before its end."""
    if any(chunk.number > 0 for chunk in job.chunks):
        st.markdown(f"##### {t('ui.parts', language)}")
        _draw_kept(job, language)


@st.fragment
def _draw_kept(job: JobSnapshot, language: Language) -> None:
    report_blocks.draw_parts(
        build_views(job, language, report_blocks.opened_parts()), report_blocks.marks_of(job.keyframes)
    )


def text_mode_reason(job: JobSnapshot) -> Notice | None:
    """Return why the frames are described to the model in words, or None where they aren't."""
    return next((mode.reason for mode in job.modes.values() if mode.mode == "text" and mode.reason), None)


def failures(job: JobSnapshot) -> dict[str, Notice]:
    """Map the time of a part's first frame to the notice of its failure."""
    return {str(notice.values["first"]): notice for notice in job.notices if notice.key == "part_failed"}


def _draw_whole(job: JobSnapshot, language: Language) -> None:
    """Draw the progress of the merging and the incoming summary."""
    merges = {number for number in job.answers if number < 0}
    if merges and 0 not in job.answers:
        done = sum(number in merges and _is_done(job, number) for number in merges)
        st.caption(t("ui.joining", language, done=done, total=len(merges)))
    if 0 in job.answers:
        st.markdown(f"##### {t('report.summary', language)}")
        report_blocks.draw_text(_readable(job.answers[0]), job.keyframes, live=not _is_done(job, 0), key="answer-0")


def build_views(job: JobSnapshot, language: Language, opened: frozenset[int]) -> list[PartView]:
    """List the parts in time order as far as they are known; before there is a plan, those that are being answered."""
    times = times_of(job.keyframes)
    end = job.decode.readable_seconds if job.decode else max(times.values(), default=0.0)
    known = {part.number: part for part in layout_parts(job.layout, job.chunks, times, end)}
    numbers = list(known) or sorted(number for number in job.answers if number > 0)
    failed = failures(job)
    views = []
    for place, number in enumerate(numbers, start=1):
        title = t("ui.answer_part", language, n=place) if len(numbers) > 1 else t("ui.part_only", language)
        part = known.get(number)
        note = format_span(part.start_seconds, part.end_seconds, end) if part and number in times else ""
        result = part.result if part else None
        if result and _is_done(job, number):
            views.append(
                _done_view(result, times, title, note, language, is_open=number in opened or len(numbers) == 1)
            )
        elif number in times and (failure := failed.get(clock(times[number]))) and not result:
            views.append(_failed_view(failure, number, title, note, language))
        else:
            views.append(_pending_view(job, number, title, note, language))
    return views


def _is_done(job: JobSnapshot, number: int) -> bool:
    """Check whether the stored answer is current: a part that is asked again keeps its old one until then."""
    kept = next((chunk for chunk in job.chunks if chunk.number == number), None)
    return kept is not None and job.answers.get(number, kept.answer) == kept.answer


def _done_view(
    part: ChunkResult, times: dict[int, float], title: str, note: str, language: Language, *, is_open: bool
) -> PartView:
    findings = [*part.overview, *part.findings]
    counted = t("ui.part_findings", language, n=len(part.findings))
    lines = [line(finding, times, language) for finding in findings] if is_open else None
    if lines is not None and part.troubles:
        lines[0:0] = [{"text": "", "flags": troubles(part, language)}]
    return PartView(
        part.number,
        title,
        " · ".join(filter(None, (note, counted))),
        "done",
        t("ui.part_done", language),
        brief=findings[0].text if findings else sentences(troubles(part, language), language),
        lines=lines,
        can_open=bool(findings),
    )


def _failed_view(failure: Notice, number: int, title: str, note: str, language: Language) -> PartView:
    reason = failure.values["reason"]
    words = notice_text(reason, language) if isinstance(reason, Notice) else str(reason)
    return PartView(number, title, note, "failed", t("ui.part_failed", language), brief=words)


def _pending_view(job: JobSnapshot, number: int, title: str, note: str, language: Language) -> PartView:
    is_asked = not job.is_over and (number in job.answers or number in job.modes)
    text = _readable(job.answers.get(number, "")) if is_asked else ""
    state = "busy" if is_asked else "waiting"
    return PartView(number, title, note, state, t(f"ui.part_{state}", language), text=text)  # type: ignore[arg-type]


def _readable(answer: str) -> str:
    """Return the end of the readable text of a partial answer."""
    # Imported here: the page is shown before the analysis packages are loaded.
    from app.analysis.parsing.answer_parser import partial_text

    text = partial_text(answer)
    return text if len(text) <= _MAX_CHARACTERS else f"… {text[-_MAX_CHARACTERS:]}"
