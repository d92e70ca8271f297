"""A finished report: its headline with the actions for it, its notices, and its contents in tabs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.core import Analysis, Notice, Transcript, clock
from app.i18n import notice_text
from app.reports.content import ai_label, headline, unusable
from app.ui.components import frames, report_blocks
from app.ui.context import language, services, t
from app.ui.formatting import plain
from app.ui.panels.analyse import progress, request_form
from app.ui.panels.report import comparison, export, findings, provenance, reanalysis
from app.ui.panels.sidebar.engine import short_model_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_CUES_A_PAGE = 100
"""Cues on a page. Chosen by hand; not tuned."""
_MARKS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]", "info": ":material/info:"}
_SIGNS = re.compile(r"^(?:⚠️|❌)\s*")
_END = re.compile(r"[:：]\s|[:：](?=[\u4e00-\u9fff])|[.。!！]\s|[。！]")


def draw_head(job: JobSnapshot, analysis: Analysis, *, can_edit: bool) -> None:
    """Draw the headline, the model, the actions and the notices."""
    problem = unusable(analysis, language())
    if problem:
        _draw_unusable(job, problem)
    elif analysis.chunks:
        st.markdown(f"### {plain(headline(analysis, language()))}")
    state = t("ui.state_done") if job.state in ("done", "measuring") else ""
    model = t("ui.by_model", model=short_model_name(analysis.answered_by)) if analysis.answered_by else ""
    mode = t(f"report.mode_{analysis.mode}")
    about = plain(" · ".join(filter(None, (state, model, mode))))
    if not job.is_without_model:  # stopped_job shows it, with the ways to a model
        st.caption(about, help=plain(ai_label(analysis, language())) or None)
    with st.container(horizontal=True, gap="small", key="report_actions"):
        export.draw(analysis, is_first=not problem and (job.is_imported or not job.is_without_model))
        if not job.is_imported:
            reanalysis.draw_follow_up(job)
    with st.container(horizontal=True, gap="medium", key="report_ways"):
        reanalysis.draw_way_back(job)
        if can_edit and page_state().edits_of(job.id) is None:
            reanalysis.draw_entry(analysis)
        comparison.draw_entry()
    draw_notices(_other_notices(job, analysis))


def _draw_unusable(job: JobSnapshot, problem: str) -> None:
    """Show why the answer is unusable, and what may help."""
    with st.container(border=True, gap="small", key="unusable"):
        st.markdown(f":red[:material/error:] **{plain(problem)}**")
        if job.is_imported:
            return
        with st.container(horizontal=True):
            st.button(
                t("ui.repeat_request"),
                key="unusable_again",
                type="primary",
                icon=":material/refresh:",
                on_click=request_form.resubmit,
                args=(job,),
            )
            st.button(
                t("ui.use_another_model"),
                key="unusable_model",
                icon=":material/neurology:",
                on_click=page_state().go_to_page,
                args=("models",),
            )


def _other_notices(job: JobSnapshot, analysis: Analysis) -> list[Notice]:
    """List the notices that aren't shown elsewhere, as measuring progress and the job's error are."""
    hidden = {"facts_pending"} if job.state == "measuring" else set()
    return [
        notice
        for notice in analysis.notices
        if notice.key not in hidden
        and not (job.error and notice.level == "error")
        and not (job.is_without_model and notice.key == "no_model")
    ]


@st.fragment
def draw_tabs(job_id: str) -> None:
    """Draw summary, frames, transcript, facts and provenance in tabs; only the open tab is drawn."""
    job = services().jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None or not job.is_readable:
        st.rerun()  # it was restarted elsewhere
    named = {t(f"ui.tab_{name}"): _TABS[name] for name in _names(analysis)}
    for tab, draw in zip(st.tabs(list(named), key="report_tab", on_change="rerun"), named.values(), strict=True):
        if tab.open:
            with tab:
                draw(job, analysis)


def _names(analysis: Analysis) -> list[str]:
    """List the tabs that have contents; without a model the report is what was measured."""
    if not analysis.chunks:
        return ["facts", "frames", *(["transcript"] if analysis.transcript else []), "details"]
    return [name for name in _TABS if name != "transcript" or analysis.transcript]


def _draw_summary(job: JobSnapshot, analysis: Analysis) -> None:
    findings.draw_summary(analysis)
    if analysis.chunks:
        findings.draw(job.id)


def _draw_frames(job: JobSnapshot, analysis: Analysis) -> None:
    frames.draw(analysis.keyframes, job.id, key="gallery")


def _draw_transcript(job: JobSnapshot, analysis: Analysis) -> None:
    if analysis.transcript:
        draw_transcript(analysis.transcript)


def _draw_facts(job: JobSnapshot, _: Analysis) -> None:
    st.caption(t("ui.facts_are_measured"))
    every = progress.POLL_SECONDS if job.state == "measuring" else None
    st.fragment(_draw_measured, run_every=every)(job.id)


def _draw_measured(job_id: str) -> None:
    """Draw the facts so far."""
    analysis = services().jobs.snapshot(job_id).analysis
    if analysis:
        frames.draw(analysis.keyframes, job_id, key="facts", layout="list", facts=analysis.facts, with_facts=True)


def _draw_provenance(job: JobSnapshot, analysis: Analysis) -> None:
    provenance.draw(analysis)


_TABS = {
    "summary": _draw_summary,
    "frames": _draw_frames,
    "transcript": _draw_transcript,
    "facts": _draw_facts,
    "details": _draw_provenance,
}


@st.fragment
def draw_transcript(transcript: Transcript) -> None:
    """Draw the source and the matching cues; a click on a time goes there."""
    source = t(f"ui.transcript_{transcript.source}", label=transcript.label)
    st.caption(plain(f"{source} · {t('ui.transcript_cues', n=len(transcript.cues))}"))
    problem = st.text_input(t("ui.transcript_search"), key="said_search", icon=":material/search:", width=320)
    wanted = problem.strip().casefold()
    found = [cue for cue in transcript.cues if wanted in cue.text.casefold()]
    if not found:
        st.caption(t("ui.findings_none"))
        return
    pages = -(-len(found) // _CUES_A_PAGE)
    first = _CUES_A_PAGE * (st.pagination(pages, key=f"said_page_{pages}") - 1) if pages > 1 else 0
    shown = found[first : first + _CUES_A_PAGE]
    chips = [[{"label": clock(cue.start_seconds), "seconds": cue.start_seconds}] for cue in shown]
    cards = [report_blocks.card([{"text": cue.text}], lead=chip) for cue, chip in zip(shown, chips, strict=True)]
    report_blocks.draw_rows(cards, {}, key="said")


def draw_notices(notices: Sequence[Notice]) -> None:
    """Draw the notices, errors first; a popover shows the full text where it is longer than the line."""
    with st.container(gap="xsmall", key="notices"):
        for place, notice in enumerate(sorted(notices, key=lambda one: list(_MARKS).index(one.level))):
            text = notice_text(notice, language())
            line = brief(text)
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.caption(f"{_MARKS[notice.level]} {plain(line)}", width="content")
                if line != text:
                    with st.popover(t("ui.what_helps"), type="tertiary", key=f"notice-{place}"):
                        st.markdown(plain(text))


def brief(text: str) -> str:
    """Return the first clause of a notice, without the sign before it."""
    text = _SIGNS.sub("", text)
    end = _END.search(text)
    return text if end is None else text[: end.start()]
