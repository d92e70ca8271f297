"""Progress of a running job: the stage with its count and remaining time, and the buttons that pause or cancel.

The fragments poll a snapshot; they start and hold nothing, so a closed tab loses nothing. Answers are drawn as the
blocks that they will be in the report.
"""

from __future__ import annotations

from statistics import median
from time import monotonic
from typing import TYPE_CHECKING

import streamlit as st

from app.components import report_blocks
from app.components.controls import button
from app.components.report_blocks import PartView, Renderer
from app.context import may_change, services
from app.panels.work.rows import count_text, stage_text
from app.state import page_state
from framelens.analysis.parsing.answer_parser import partial_text
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import ChunkResult, Notice, times_of
from framelens.core.units import clock
from framelens.i18n import notice_text, sentences, t
from framelens.i18n.formatting import beside_text, phase_text
from framelens.reports.content.labels import layout_parts, part_name, troubles
from framelens.reports.content.page_text import joined, plain, remaining, short_clock
from framelens.reports.content.questions import answer_to_question
from framelens.reports.content.statements import unfinished

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

POLL_SECONDS = 0.8
"""Interval between two polls of a job."""
_WAITING_POLL_SECONDS = 2.0
"""The same while the job waits for other jobs: many users' jobs may wait at a time."""
_MAX_CHARACTERS = 4000
"""Characters shown of an incoming answer; a longer answer is cut at its start, since its end grows."""


def poll_seconds(job: JobSnapshot | None) -> float | None:
    """Return how often to draw what changes while a job runs; None where it doesn't run."""
    return POLL_SECONDS if job and job.state != "queued" and not job.is_readable else None


def poll_stage(job: JobSnapshot) -> None:
    """Draw the stage of an unfinished job again and again; see draw_stage."""
    has_to_wait = job.state == "queued" and bool(services().jobs.running())
    every = _WAITING_POLL_SECONDS if has_to_wait else POLL_SECONDS
    st.fragment(draw_stage, run_every=every)(job.id, job.state)


def draw_stage(job_id: str, drawn: str) -> None:
    """Draw the stage and the buttons; redraw the whole page when the job begins and when the report is available.

    Args:
        job_id: The job.
        drawn: The state of the job for which the page was drawn.
    """
    job = _job_as_drawn(job_id, drawn)
    is_pausing = page_state().pausing == job_id
    st.markdown(f"#### {t('ui.pausing' if is_pausing else f'ui.state_{job.state}')}")
    parts = (stage_text(job), count_text(job.progress), remaining(job.progress.eta_seconds))
    st.set_page_config(page_title=f"{round(100 * job.share)} % · {job.name} · FrameLens")
    st.progress(job.share, text=plain(joined(*parts)))
    st.caption(plain(_detail(job, is_pausing=is_pausing)) or "&nbsp;")  # always a line: the buttons below don't move
    if may_change():
        _draw_buttons(job, is_pausing=is_pausing)


def _job_as_drawn(job_id: str, drawn: str) -> JobSnapshot:
    """Return a job; if the page was drawn for another state, redraw the whole page instead."""
    job = services().jobs.snapshot(job_id)
    if job.state != drawn:
        state = page_state()
        state.pausing = "" if job.is_readable else state.pausing
        st.rerun()
    return job


def _detail(job: JobSnapshot, *, is_pausing: bool) -> str:
    """Describe the stage; "" if nothing is to be said."""
    if is_pausing:
        return t("ui.pausing_what")
    if job.progress.stage == "engine" and (phase := job.progress.engine_phase):
        return joined(phase_text(phase), t("ui.at_work", time=_spent(job.progress)), _usual_start())
    return joined(_writing_text(job.progress), *beside_text(job.progress))


def _usual_start() -> str:
    """Say how long the last starts of this engine took; "" before the first."""
    starts = services().planner.timings().starts
    return t("ui.usual_start", time=short_clock(median(starts))) if starts else ""


def _writing_text(analysis: AnalysisState) -> str:
    """Return what the model has written in this stage and for how long it has been at work; "" in other stages."""
    if analysis.stage not in ("answer", "ask", "summary"):
        return ""
    time = _spent(analysis)
    return t("ui.written", n=analysis.written, time=time) if analysis.written else t("ui.at_work", time=time)


def _spent(analysis: AnalysisState) -> str:
    """Return for how long the stage has lasted."""
    return short_clock(monotonic() - analysis.stage_since)


def draw_measuring(job_id: str) -> None:
    """Draw how many frames are measured so far; redraw the whole page with their facts when all are."""
    job = services().jobs.snapshot(job_id)
    if job.state != "measuring":
        st.rerun()
    text = t("ui.measuring", done=len(job.progress.facts), total=len(job.progress.keyframes))
    st.progress(len(job.progress.facts) / max(1, len(job.progress.keyframes)), text=plain(text))


def _draw_buttons(job: JobSnapshot, *, is_pausing: bool) -> None:
    """Draw Cancel, then Pause where there is something to pause: it comes and goes, and must not move the other."""
    with st.container(horizontal=True):
        button(t("ui.cancel"), "cancel", services().jobs.cancel, job.id, icon="stop_circle")
        if is_pausing or job.can_pause:
            button(t("ui.pause"), "pause", _pause, job.id, icon="pause_circle", disabled=is_pausing)


def _pause(job_id: str) -> None:
    page_state().pausing = job_id
    services().jobs.pause(job_id)


def _other_notices(analysis: AnalysisState) -> list[Notice]:
    """List the notices that aren't shown beside the answers."""
    elsewhere = [text_mode_reason(analysis), *failures(analysis).values()]
    return [notice for notice in analysis.notices if notice not in elsewhere]


def draw_answers(job_id: str, drawn: str) -> None:
    """Draw the answer to the question, a strip of the frames, and the description so far, then the notices.

    A notice takes several lines, so it comes last: it arrives while its reader reads what would move.

    Args:
        job_id: The job; below the report of an answered question, its description is drawn alone.
        drawn: The state of the job for which the page was drawn.
    """
    job = _job_as_drawn(job_id, drawn)
    if job.state == "describing":
        _draw_description(job, Renderer(job_id, job.progress.keyframes))
    else:
        _draw_found(job)
    for notice in _other_notices(job.progress):
        st.caption(plain(notice_text(notice)))


def _draw_found(job: JobSnapshot) -> None:
    frames = job.progress.keyframes or job.progress.found
    renderer = Renderer(job.id, frames)
    draw_question_answer(job, renderer)
    if frames:
        st.caption(t("ui.keyframes" if job.progress.keyframes else "ui.found"))
        report_blocks.draw_values([report_blocks.gallery(frames, renderer, is_strip=True)], renderer, key="found")
    if reason := text_mode_reason(job.progress):
        st.warning(plain(notice_text(reason)))
    _draw_description(job, renderer)


def _draw_description(job: JobSnapshot, renderer: Renderer) -> None:
    if shown := build_views(job, report_blocks.opened_parts()):
        single = "description" if job.state == "describing" else "answer"
        st.markdown(f"##### {t('ui.parts' if len(shown) > 1 else f'ui.{single}')}")
        report_blocks.draw_parts(shown, renderer)
    _draw_whole(job.progress, renderer)


def draw_question_answer(job: JobSnapshot, renderer: Renderer) -> None:
    """Draw the answer to the question so far, if there is any of it."""
    answer = answer_to_question(job.progress.answer, job.progress.keyframes, is_live=True)
    if blocks := list(report_blocks.pieces(answer)):
        report_blocks.draw(blocks, renderer, key="question_answer")


@st.fragment
def draw_answered_parts(job: JobSnapshot) -> None:
    """Draw the parts of a job that stopped before its end."""
    views = build_views(job, report_blocks.opened_parts())
    report_blocks.draw_parts(views, Renderer(job.id, job.progress.keyframes))


def text_mode_reason(analysis: AnalysisState) -> Notice | None:
    """Return why the frames are described to the model in words, or None where they aren't."""
    return next((mode.reason for mode in analysis.modes.values() if mode.mode == "text" and mode.reason), None)


def failures(analysis: AnalysisState) -> dict[str, Notice]:
    """Map the time of a part's first frame to the notice of its failure."""
    return {str(notice.values["first"]): notice for notice in analysis.notices if notice.key == "part_failed"}


def _draw_whole(analysis: AnalysisState, renderer: Renderer) -> None:
    """Draw the progress of the merging and the incoming summary."""
    merges = {number for number in analysis.answers if number < 0}
    if merges and 0 not in analysis.answers:
        done = sum(number in merges and _is_done(analysis, number) for number in merges)
        st.caption(t("ui.joining", done=done, total=len(merges)))
    if 0 in analysis.answers:
        st.markdown(f"##### {t('report.summary')}")
        text = report_blocks.prose(_readable(analysis.answers[0]), live=not _is_done(analysis, 0))
        report_blocks.draw_values([text], renderer, key="answer-0")


def build_views(job: JobSnapshot, opened: frozenset[int]) -> list[PartView]:
    """List the parts known so far in time order; before the plan is made, those being answered."""
    times = times_of(job.progress.keyframes)
    end = job.progress.decode.readable_seconds if job.progress.decode else max(times.values(), default=0.0)
    start, layout, results = job.request.selection.start_seconds, job.progress.layout, job.progress.results
    parts = {part.number: part for part in layout_parts(layout, results, times, start, end)}
    numbers = list(parts) or sorted(number for number in job.progress.answers if number > 0)
    failed = failures(job.progress)
    views = []
    for index, number in enumerate(numbers, start=1):
        part = parts.get(number)
        name = part_name(part) if part and number in times else t("ui.answer_part", n=index)
        title = name if len(numbers) > 1 else t("ui.part_only")
        result = part.result if part else None
        if result and _is_done(job.progress, number):
            views.append(_done_view(job, result, title, is_open=number in opened or len(numbers) == 1))
        elif number in times and (failure := failed.get(clock(times[number]))) and not result:
            views.append(_failed_view(failure, number, title))
        else:
            views.append(_pending_view(job, number, title))
    return views


def _is_done(analysis: AnalysisState, number: int) -> bool:
    """Check whether the stored answer is current: a part that is asked again keeps its old answer until then."""
    stored = next((chunk for chunk in analysis.results if chunk.number == number), None)
    return stored is not None and analysis.answers.get(number, stored.answer) == stored.answer


def _done_view(job: JobSnapshot, part: ChunkResult, title: str, *, is_open: bool) -> PartView:
    keyframes = job.progress.keyframes
    unfinished_text = unfinished(part, times_of(keyframes)) if is_open else ()
    findings = [*part.overview, *part.findings]
    state: report_blocks.State = "waiting" if part.is_unfinished else "done"
    return PartView(
        part.number,
        title,
        state,
        t("ui.part_unfinished" if part.is_unfinished else "ui.part_done"),
        note=t("ui.part_findings", n=len(part.findings)),
        brief=findings[0].text if findings else sentences(troubles(part)),
        blocks=Renderer(job.id, keyframes).values(report_blocks.pieces(unfinished_text)),
        can_open=bool(findings),
    )


def _failed_view(failure: Notice, number: int, title: str) -> PartView:
    reason = failure.values["reason"]
    text = notice_text(reason) if isinstance(reason, Notice) else str(reason)
    return PartView(number, title, "failed", t("ui.part_failed"), brief=text)


def _pending_view(job: JobSnapshot, number: int, title: str) -> PartView:
    is_asked = not job.is_over and (number in job.progress.answers or number in job.progress.modes)
    text = _readable(job.progress.answers.get(number, "")) if is_asked else ""
    state: report_blocks.State = "busy" if is_asked else "waiting"
    coming = [report_blocks.prose(text, live=True)] if text else []
    return PartView(number, title, state, t(f"ui.part_{state}"), blocks=coming)


def _readable(answer: str) -> str:
    """Return the end of the readable text of a partial answer."""
    # Imported here: the page is shown before the analysis packages are loaded.
    text = partial_text(answer)
    return text if len(text) <= _MAX_CHARACTERS else f"… {text[-_MAX_CHARACTERS:]}"
