"""Analyse page: from a video to its report. It reads state, asks the services and lets the panels draw.

Once there is an analysis, the video is small and stays in view on the left. The right column shows the progress first
and the report afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.core import AppError, Language, VideoInfo
from app.i18n import t
from app.ui import resources
from app.ui.components import page_styles, player
from app.ui.formatting import error_words, plain, video_facts
from app.ui.panels.analyse import progress, request_form, stopped_job, video_picker
from app.ui.panels.report import comparison, reanalysis, report
from app.ui.state import page_state

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from app.jobs import JobSnapshot
    from app.services import Services

_COLUMNS_BEFORE, _COLUMNS_DURING = (3, 2), (5, 7)
"""Ratios of the column widths without and with an analysis. Chosen by hand; not tuned."""

_PLAYER_HEIGHT, _FORM_HEIGHT = 360, 480
"""Heights in pixels of the placeholders while a new video is opened. Chosen by hand; not tuned."""


def draw() -> None:
    """Draw the page before, during or after an analysis, as the ids in the address bar say."""
    state, services = page_state(), resources.services()
    language = state.language
    job = _open_job(services)
    video_id = services.videos.find(job.request.path) if job else state.video_id
    facts = _draw_heading(services, job, video_id, language)
    if state.error:
        st.error(plain(error_words(state.error, language)), icon=":material/error:")
    for sentence in state.refused:
        st.warning(plain(sentence), icon=":material/block:")
    video = None
    left, right = st.columns(_COLUMNS_DURING if job else _COLUMNS_BEFORE, gap="medium" if job else "large")
    outline = right.empty()
    if video_id and job is None and not _is_probed(services, video_id):
        outline.skeleton(height=_FORM_HEIGHT)
    with left:
        if video_id:
            with st.container(key=page_styles.WATCHED if job else None):
                video = _draw_video(services, video_id, job, language)
        elif job is None:
            video_picker.draw(services, language)
        elif job.is_imported:
            st.info(t("library.other_machine_why", language), icon=":material/devices:")
        else:
            st.info(plain(t("ui.video_not_on_page", language, name=job.name)))
    if known := video or (job.progress.video if job else None):
        facts.caption(plain(video_facts(known, language)))
    is_compared = job is not None and job.is_readable and job.analysis is not None and bool(state.other_job_id)
    outline.empty()
    with right:
        if job is None:
            request_form.draw(services, video, language)
        else:
            _draw_job(services, job, language, can_edit=video is not None)
            if not is_compared:
                _draw_contents(services, job, language)
    if job and is_compared:
        comparison.draw(services, job, language)


def _open_job(services: Services) -> JobSnapshot | None:
    state = page_state()
    try:
        return services.jobs.snapshot(state.job_id) if state.job_id else None
    except AppError as error:
        state.open_job(None)
        state.error = error
        return None


def _draw_heading(
    services: Services, job: JobSnapshot | None, video_id: str | None, language: Language
) -> DeltaGenerator:
    """Draw the name of the open video or of the app, and return the place for the facts about the video."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(gap=None):
            if job is None and video_id is None:
                st.markdown("## FrameLens")
                st.caption(t("ui.tagline", language))
                return st.empty()
            st.markdown(f"#### {plain(job.name if job else _name(services, video_id or ''))}")
            facts = st.empty()
        with st.container(horizontal=True, gap="small", width="content"):
            if job and job.is_readable:
                st.button(
                    t("ui.ask_again", language),
                    key="ask_again",
                    icon=":material/edit:",
                    disabled=video_id is None,
                    on_click=request_form.reopen_form,
                    args=(services, job),
                )
            st.button(
                t("ui.new", language),
                key="new",
                icon=":material/add:",
                on_click=lambda: page_state().choose_video(None),
            )
    return facts


def _name(services: Services, video_id: str) -> str:
    try:
        return services.videos.name(video_id)
    except AppError:  # it was removed; _draw_video reports that
        return video_id


def _is_probed(services: Services, video_id: str) -> bool:
    try:
        return resources.is_probed(services.videos.path(video_id))
    except AppError:
        return False


def _draw_video(services: Services, video_id: str, job: JobSnapshot | None, language: Language) -> VideoInfo | None:
    """Draw the player. Return None, with the reason on the page, where the file can't be used."""
    try:
        path = services.videos.path(video_id)
        with st.spinner(t("ui.probing", language)), st.skeleton(height=_PLAYER_HEIGHT):
            video = resources.probe_video(path)
    except AppError as error:
        st.error(plain(error_words(error, language)), icon=":material/error:")
        return None
    is_running = job is not None and not job.is_readable
    poll = st.fragment(player.draw, run_every=progress.POLL_SECONDS if is_running else None)
    poll(services, video_id, video, job.id if job else None, language)
    if job and job.is_readable and job.analysis:
        _draw_under_player(services, job, language)
    if job is None:
        video_picker.draw_chosen(services, language)
    return video


def _draw_under_player(services: Services, job: JobSnapshot, language: Language) -> None:
    if edits := page_state().edits_of(job.id):
        reanalysis.draw_bar(services, job, edits, language)
    else:
        reanalysis.draw_range(services, job, language)


def _draw_job(services: Services, job: JobSnapshot, language: Language, *, can_edit: bool) -> None:
    """Draw the state of the job and the actions for it."""
    if not job.is_readable:
        st.fragment(progress.draw_stage, run_every=progress.POLL_SECONDS)(services, job.id, language)
        return
    if job.state not in ("done", "measuring"):
        stopped_job.draw(services, job, language)
    request_form.draw_found(services, job, language)
    if job.analysis:
        report.draw_head(services, job, job.analysis, language, can_edit=can_edit)
    if job.state == "measuring":
        st.fragment(progress.draw_measuring, run_every=progress.POLL_SECONDS)(services, job.id, language)


def _draw_contents(services: Services, job: JobSnapshot, language: Language) -> None:
    """Draw the incoming answers, the report, or the kept part of a stopped job."""
    if not job.is_readable:
        st.fragment(progress.draw_answers, run_every=progress.POLL_SECONDS)(services, job.id, language)
    elif edits := page_state().edits_of(job.id):
        reanalysis.draw_cards(job, edits, language)
    elif job.analysis:
        report.draw_tabs(services, job.id, language)
    else:
        stopped_job.draw_kept(job, language)
