"""A finished analysis: what must be known first, downloads, and the report in tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Analysis, Language
from app.i18n import labelled, notice_text, t
from app.ui.components import frames
from app.ui.panels import account, export, findings, made, progress, said
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services


def draw_head(job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    """How the frames were seen, the notices, and the menu that saves the report."""
    if job.state == "done":
        st.markdown(f"#### {t('ui.state_done', language)}")
        st.caption(labelled(t("report.mode", language), t(f"report.mode_{analysis.mode}", language), language))
    for notice in analysis.notices:
        if job.error and notice.level == "error":
            continue  # the same sentence stands above, with the ways on
        show = {"error": st.error, "warning": st.warning, "info": st.info}[notice.level]
        show(plain(notice_text(notice, language)))
    export.draw(analysis, language)


@st.fragment
def draw_tabs(services: Services, job_id: str, language: Language) -> None:
    """Summary, keyframes, what is said, measured facts, how it was made. Only the tab that is open is drawn."""
    job = services.jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None or not job.is_readable:
        st.rerun()  # it was begun again elsewhere
    named = {t(f"ui.tab_{name}", language): _TABS[name] for name in _names(analysis)}
    for tab, draw in zip(st.tabs(list(named), key="report_tab", on_change="rerun"), named.values(), strict=True):
        if tab.open:
            with tab:
                draw(services, job, analysis, language)


def _names(analysis: Analysis) -> list[str]:
    """The tabs that have something to show; without a model the report is what was measured."""
    if not analysis.chunks:
        return ["facts", "frames", *(["said"] if analysis.transcript else []), "made"]
    return [name for name in _TABS if name != "said" or analysis.transcript]


def _draw_summary(services: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    account.draw(analysis, language)
    if analysis.chunks:
        findings.draw(services, job.id, language)


def _draw_frames(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    frames.draw(analysis.keyframes, job.id, language, key="gallery")


def _draw_said(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    if analysis.transcript:
        said.draw(analysis.transcript, language)


def _draw_facts(services: Services, job: JobSnapshot, _: Analysis, language: Language) -> None:
    st.caption(t("ui.facts_are_measured", language))
    every = progress.POLL_SECONDS if job.state == "measuring" else None
    st.fragment(_draw_measured, run_every=every)(services, job.id, language)


def _draw_measured(services: Services, job_id: str, language: Language) -> None:
    """The facts so far."""
    analysis = services.jobs.snapshot(job_id).analysis
    if analysis:
        frames.draw(
            analysis.keyframes, job_id, language, key="facts", layout="list", facts=analysis.facts, with_facts=True
        )


def _draw_made(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    made.draw(analysis, language)


_TABS = {
    "summary": _draw_summary,
    "frames": _draw_frames,
    "said": _draw_said,
    "facts": _draw_facts,
    "made": _draw_made,
}
