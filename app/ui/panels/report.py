"""A finished analysis: what must be known first, downloads, and the report in tabs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.export import frames_as_zip
from app.domain import Analysis, Language, clock
from app.i18n import notice_text, t
from app.reports import FORMATS
from app.ui.components import frames, prose
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_TABS = ("tab_summary", "tab_frames", "tab_facts", "tab_made")


def draw_head(job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    """How the frames were seen, the notices, and the buttons that save the report."""
    if job.state == "done":
        st.markdown(f"#### {t('ui.state_done', language)}")
        st.caption(f"{t('report.mode', language)}: {t(f'report.mode_{analysis.mode}', language)}")
    for notice in analysis.notices:
        if job.error and notice.level == "error":
            continue  # the same sentence stands above, with the ways on
        show = {"error": st.error, "warning": st.warning, "info": st.info}[notice.level]
        show(plain(notice_text(notice, language)))
    with st.container(horizontal=True):
        for name, form in FORMATS.items():
            st.download_button(
                t(f"ui.download_{name}", language),
                # Made only when asked for; a report with its pictures is not small.
                data=partial(form.write, analysis, analysis.request.language),
                file_name=Path(analysis.video.name).stem + form.suffix,
                mime=form.mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"download-{name}",
            )
        _draw_frames_button(analysis, language)


def _draw_frames_button(analysis: Analysis, language: Language) -> None:
    if not analysis.keyframes:
        return
    kept_side = max(max(frame.width, frame.height) for frame in analysis.keyframes)
    is_there = analysis.video.path.is_file()
    st.download_button(
        t("ui.download_frames", language),
        data=partial(frames_as_zip, analysis),
        file_name=f"{Path(analysis.video.name).stem}.frames.zip",
        mime="application/zip",
        icon=":material/download:",
        help=t("ui.download_frames_help" if is_there else "ui.download_frames_small", language, side=kept_side),
        on_click="ignore",
        key="download-frames",
    )


def draw_tabs(job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    """Summary, keyframes, measured facts, how it was made."""
    summary, gallery, facts, made = st.tabs([t(f"ui.{tab}", language) for tab in _TABS])
    with summary:
        _draw_summary(job, analysis, language)
    with gallery:
        frames.draw(analysis.keyframes, job.id, language, key="gallery")
    with facts:
        st.caption(t("ui.facts_are_measured", language))
        frames.draw(
            analysis.keyframes, job.id, language, key="facts", layout="list", facts=analysis.facts, with_facts=True
        )
    with made:
        _draw_made(analysis, language)


def _draw_summary(job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    if analysis.engine and analysis.chunks:
        st.caption(plain(t("report.ai_label", language, model=analysis.engine.model)))
    loose = [finding for chunk in analysis.chunks for finding in chunk.findings if len(finding.frames) != 1]
    account = [*analysis.overview, *loose]
    if account:
        prose.draw_findings(account, analysis.keyframes, language, key="overview")
    st.markdown(f"##### {t('report.frames', language)}")
    frames.draw(
        analysis.keyframes,
        job.id,
        language,
        key="frame-by-frame",
        layout="list",
        facts=analysis.facts,
        with_facts=not analysis.chunks,
        findings=[finding for chunk in analysis.chunks for finding in chunk.findings],
    )


def _draw_made(analysis: Analysis, language: Language) -> None:
    with st.container(border=True, gap="small"):
        for key, value in _facts_of_making(analysis, language):
            label, shown = st.columns([1, 3])
            label.caption(t(f"report.{key}", language))
            shown.text(value)
    for part in [*analysis.chunks, *([analysis.summary] if analysis.summary else [])]:
        key = "report.prompt" if part.number else "report.summary_prompt"
        with st.expander(t(key, language, number=part.number)):
            st.code(part.prompt, language=None, wrap_lines=True)


def _facts_of_making(analysis: Analysis, language: Language) -> Iterator[tuple[str, str]]:
    video, decode, engine = analysis.video, analysis.decode, analysis.engine
    yield "file", f"{video.name} ({video.size_bytes:,} B)"
    yield "sha256", analysis.sha256
    yield "format", f"{video.container}, {video.codec} {video.pixel_format}, {video.width} × {video.height}"
    yield "readable", t("report.readable_value", language, time=clock(decode.readable_seconds), n=decode.frames_decoded)
    yield "mode", t(f"report.mode_{analysis.mode}", language)
    if engine:
        yield "engine", f"{engine.kind} {engine.version} · {engine.model}"
        yield "tokens", f"{analysis.usage.prompt_tokens} + {analysis.usage.completion_tokens}"
    spent = analysis.seconds_by_stage.items()
    yield "seconds", " · ".join(f"{t(f'stage.{stage}', language)} {seconds:.1f} s" for stage, seconds in spent)
    yield "made", f"{analysis.created} · FrameLens {analysis.app_version}"
