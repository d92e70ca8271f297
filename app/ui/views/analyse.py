"""The first page: from a video to its report. It reads state, asks the services, and lets the panels draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language, VideoInfo
from app.errors import AppError
from app.i18n import error_text, t
from app.ui import resources
from app.ui.components import player
from app.ui.panels import another, answers, ask, compare, editing, ended, look, progress, report, source
from app.ui.state import page_state
from app.ui.words import plain, video_chips

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services


def draw() -> None:
    """Before, during or after, as the ids in the address bar say."""
    state, services = page_state(), resources.services()
    language = state.language
    job = _open_job(services)
    video_id = services.videos.find(job.request.path) if job else state.video_id
    _draw_heading(language, is_chosen=bool(video_id or job))
    if state.error:
        st.error(plain(error_text(state.error, language)), icon=":material/error:")
    for sentence in state.refused:
        st.warning(plain(sentence), icon=":material/block:")
    video = None
    left, right = st.columns([3, 2], gap="large")
    with left:
        if video_id:
            video = _draw_video(services, video_id, job, language)
        elif job is None:
            source.draw(services, language)
        elif job.is_from_elsewhere:
            st.info(t("library.elsewhere_why", language), icon=":material/devices:")
        else:
            st.info(plain(t("ui.video_elsewhere", language, name=job.name)))
    with right:
        _draw_side(services, job, language, video=video)
    _draw_below(services, job, language)


def _open_job(services: Services) -> JobSnapshot | None:
    state = page_state()
    try:
        return services.jobs.snapshot(state.job_id) if state.job_id else None
    except AppError as error:
        state.open_job(None)
        state.error = error
        return None


def _draw_heading(language: Language, *, is_chosen: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(gap=None):
            st.markdown("## FrameLens")
            st.caption(t("ui.tagline", language))
        if is_chosen:
            st.button(
                t("ui.new", language),
                key="new",
                icon=":material/add:",
                on_click=lambda: page_state().choose_video(None),
            )


def _draw_video(services: Services, video_id: str, job: JobSnapshot | None, language: Language) -> VideoInfo | None:
    """The player and what the probe found; None with its reason in the page where the file cannot be used."""
    try:
        path = services.videos.path(video_id)
        with st.spinner(t("ui.probing", language)):
            video = resources.probe_video(path)
    except AppError as error:
        st.error(plain(error_text(error, language)), icon=":material/error:")
        return None
    is_running = job is not None and not job.is_readable
    poll = st.fragment(player.draw, run_every=progress.POLL_SECONDS if is_running else None)
    poll(services, video_id, video, job.id if job else None, language)
    if job and job.is_readable and job.analysis:
        _draw_under_player(services, job, language)
    with st.container(horizontal=True, gap="small"):
        for chip in [services.videos.name(video_id), *video_chips(video, language)]:
            st.badge(plain(chip), color="gray")
    if job is None:
        source.draw_chosen(services, language)
    return video


def _draw_under_player(services: Services, job: JobSnapshot, language: Language) -> None:
    if edits := page_state().edits_of(job.id):
        editing.draw_bar(services, job, edits, language)
    else:
        look.draw(services, job, language)


def _draw_side(services: Services, job: JobSnapshot | None, language: Language, *, video: VideoInfo | None) -> None:
    if job is None:
        ask.draw(services, video, language)
    elif not job.is_readable:
        st.fragment(progress.draw_stage, run_every=progress.POLL_SECONDS)(services, job.id, language)
    else:
        if job.state not in ("done", "measuring"):
            ended.draw(services, job, language)
        ask.draw_found(services, job, language)
        if job.analysis:
            report.draw_head(job, job.analysis, language)
        if job.state == "measuring":
            st.fragment(progress.draw_measuring, run_every=progress.POLL_SECONDS)(services, job.id, language)
    if job and job.is_readable:
        _draw_ways_on(services, job, language, can_edit=video is not None)


def _draw_ways_on(services: Services, job: JobSnapshot, language: Language, *, can_edit: bool) -> None:
    with st.container(horizontal=True):
        look.draw_way_back(services, job, language)
        if can_edit and job.analysis and page_state().edits_of(job.id) is None:
            editing.draw_entry(job.analysis, language)
        if job.analysis:
            compare.draw_entry(language)
        st.button(
            t("ui.ask_again", language),
            key="ask_again",
            icon=":material/edit:",
            on_click=lambda: page_state().open_job(None),
        )
    if job.analysis and not job.is_from_elsewhere:
        another.draw(services, job, language)


def _draw_below(services: Services, job: JobSnapshot | None, language: Language) -> None:
    if job is None:
        return
    if not job.is_readable:
        st.fragment(answers.draw, run_every=progress.POLL_SECONDS)(services, job.id, language)
    elif edits := page_state().edits_of(job.id):
        editing.draw_cards(job, edits, language)
    elif job.analysis and page_state().other_job_id:
        compare.draw(services, job, language)
    elif job.analysis:
        report.draw_tabs(services, job.id, language)
    else:
        ended.draw_kept(job, language)
