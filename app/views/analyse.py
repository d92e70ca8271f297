"""Analyse page: from a video to its report. It reads state, asks the services and lets the panels draw.

Once there is an analysis, the video is small and stays in view on the right, on a phone above. The wide column shows
the progress first and the report afterwards, with the field for the next question at the bottom.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components import assets, player, slots
from app.components.controls import button, show_error, show_refusals
from app.context import may_change, services
from app.panels.analyse import progress, request_form, stopped_job, video_picker
from app.panels.ask import chat, composer, start
from app.panels.report import comparison, report
from app.state import page_state
from framelens.api.playback import keep_video, video_for
from framelens.core.domain import Analysis, VideoInfo
from framelens.core.errors import AppError
from framelens.i18n import t
from framelens.reports.content.page_text import plain, technical_facts, video_facts

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from framelens.jobs.snapshot import JobSnapshot

_COLUMNS = (7, 4)
"""Ratio of the column widths with an analysis."""
_PLAYER_HEIGHT = 360
"""Height in pixels of the placeholder while a new video is opened."""


def draw() -> None:
    """Draw the page before, during or after an analysis, as the ids in the address bar say."""
    state = page_state()
    job = _open_job()
    if slots.draw("analyse.page", job):
        return
    if job is None and not may_change():
        st.markdown("## FrameLens")
        st.info(t("ui.reads_only"), icon=":material/visibility:")
        return
    video_id = video_for(services().videos, services().jobs, job) if job else state.video_id
    if job or video_id:
        st.set_page_config(page_title=f"{job.name if job else video_picker.name_of(video_id or '')} · FrameLens")
    facts = st.empty() if job else _draw_heading(video_id and video_picker.name_of(video_id))
    with st.container():  # always there: what is below keeps its place, and so an upload continues
        if state.error:
            show_error(state.error)
        show_refusals(state.refused)
    if job is None:
        _draw_start(video_id, facts)
        return
    left, right = st.columns(_COLUMNS, gap="medium")
    with right, st.container(key=assets.WATCHED):
        video = _draw_video(video_id, job) if video_id else None
        if not video_id:
            _draw_absent_video(job)
    analysis = job.analysis if job.is_readable else None
    is_compared = analysis is not None and bool(state.other_job_id)
    with left, st.container(key=None if is_compared else "report_view"):
        if analysis is None:
            with st.container():
                _draw_unfinished(job, video or job.progress.video)
        else:
            st.empty()  # takes away at once what was drawn while the job ran, so that nothing moves up later
            _draw_report(job, analysis, has_video=video is not None, is_compared=is_compared)
    if is_compared:
        comparison.draw(job)


def _draw_start(video_id: str | None, facts: DeltaGenerator) -> None:
    """Draw the choice of a video or the chosen video, and the form below, which stays in view."""
    video = None
    with st.container(key="start_view" if video_id else None):
        if not video_id:
            video_picker.draw()
        elif len(page_state().video_ids) < 2 and not page_state().folder:
            video = _draw_video(video_id, None)
            video_picker.draw_chosen()
        else:  # beside the player, since below it they would be out of sight
            left, right = st.columns(_COLUMNS, gap="medium")
            with right:  # first, as opening a video takes a moment
                video_picker.draw_chosen()
            with left:
                video = _draw_video(video_id, None)
    if video:
        _draw_facts(facts, video)
    request_form.draw(video)


def _open_job() -> JobSnapshot | None:
    state = page_state()
    try:
        return services().jobs.snapshot(state.job_id) if state.job_id else None
    except AppError as error:
        state.open_job(None)
        state.error = error
        return None


def _draw_heading(name: str | None) -> DeltaGenerator:
    """Draw the name of the open video, or the app's for None, and return the place for facts about the video."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(gap=None):
            if name is None:
                st.markdown("## FrameLens")
                st.caption(t("ui.tagline"))
                return st.empty()
            st.markdown(f"#### {plain(name)}")
            facts = st.empty()
        if may_change():
            label, state = t("ui.new"), page_state()
            button(label, "new", state.choose_video, None, icon="add")
    return facts


def _draw_facts(slot: DeltaGenerator, video: VideoInfo, *extra: str) -> None:
    """Draw what a viewer knows of the video, the rest on hover, and further lines."""
    lines = map(plain, (video_facts(video), *extra))
    slot.caption("\n\n".join(lines), help=plain(technical_facts(video)))


def _draw_video(video_id: str, job: JobSnapshot | None) -> VideoInfo | None:
    """Draw the player. Return None, with the reason on the page, where the file can't be used."""
    try:
        path = services().videos.path(video_id)
        with st.spinner(t("ui.probing")), st.skeleton(height=_PLAYER_HEIGHT):
            video = resources.probe_video(path)
    except AppError as error:
        show_error(error)
        return None
    every = progress.POLL_SECONDS if chat.is_busy() else progress.poll_seconds(job)
    poll = st.fragment(player.draw, run_every=every)
    poll(video_id, video, job.id if job else None, chat.find_search)
    return video


def _draw_absent_video(job: JobSnapshot) -> None:
    """Say why the video can't be played, and take the same file."""
    why = t("library.other_machine_why") if job.is_imported else plain(t("ui.video_not_on_page", name=job.name))
    can_add = job.is_readable and job.analysis is not None and may_change()
    label, icon = t("ui.add_the_video" if can_add else "ui.no_video"), ":material/videocam_off:"
    with st.popover(label, icon=icon, type="tertiary", key="absent_video"):
        st.markdown(why)
        if can_add:
            _draw_uploader_of(job)


def _draw_uploader_of(job: JobSnapshot) -> None:
    """Draw the drop zone for the video of a report."""

    def keep(video_ids: list[str], refused: list[str]) -> None:
        page_state().refused = tuple(refused)
        for video_id in video_ids:
            with page_state().catching_errors():
                keep_video(services().videos, services().switcher.session.extractions, job, video_id)

    video_picker.draw_uploader(key=f"copy-{job.id}", on_uploaded=keep)


def _draw_unfinished(job: JobSnapshot, video: VideoInfo | None) -> None:
    """Draw the progress with the incoming answers, or the reason why a job stopped and its kept results."""
    facts = _draw_heading(job.name)
    if video:
        _draw_facts(facts, video)
    if job.request.question:
        st.markdown(plain(job.request.question))
    if not job.is_readable:
        progress.poll_stage(job)
        st.fragment(progress.draw_answers, run_every=progress.poll_seconds(job))(job.id, job.state)
        return
    request_form.draw_found(job)
    if stopped_job.is_shown(job):
        stopped_job.draw(job)
    stopped_job.draw_results(job)


def _draw_report(job: JobSnapshot, analysis: Analysis, *, has_video: bool, is_compared: bool) -> None:
    """Draw the report, or its head alone where two are compared, with the field for the next question."""
    with st.container():  # what is below keeps its place when a measurement ends, else it is there twice
        request_form.draw_found(job)
        report.draw_head(job, analysis, has_video=has_video)
        if stopped_job.is_shown(job):
            stopped_job.draw(job)
        if job.state == "describing":
            progress.poll_stage(job)
    if is_compared:
        return
    with st.container():
        with st.container(key=None if page_state().chat_id else "report_text"):
            report.draw_document(job.id)
            if job.state == "describing":
                st.fragment(progress.draw_answers, run_every=progress.POLL_SECONDS)(job.id, job.state)
        report.draw_details(job.id)
    with st.container():
        conversation = chat.draw_below(job.id)
    composer.draw(conversation, begin=partial(start.begin_about, job.id), analysis=analysis)
