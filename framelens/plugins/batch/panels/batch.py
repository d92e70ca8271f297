"""Batch on the page: its progress, the state of each video, what failed and why, and the summary to save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from framelens import AppError, InputError
from framelens.plugin import t
from framelens.plugin.analyses import AnalysisRequest, JobSnapshot, partial_text
from framelens.plugin.reports import shortened
from framelens.plugin.texts import error_words, joined, length_clock, plain, remaining, single_line
from framelens.plugin_page import PICTURE_SIDE, PageTools, SaveButton, SaveGroup
from framelens.plugins.batch.page_batches import PageBatches
from framelens.plugins.batch.results import WORKING, VideoStatus, counts_of, status_of, title_of
from framelens.plugins.batch.summary import counts_text

if TYPE_CHECKING:
    from framelens.plugin.storage import LibraryEntry
    from framelens.plugins.batch.batch import Batch

_POLL_SECONDS = 2.0
_ROW_HEIGHT = 56
"""Pixels, for a small picture."""
_STATE_WIDTH = 250
"""Pixels, for the percent and the stage."""
_MOST_WORDS = 120
"""Characters of an incoming answer."""
Conflicts = dict[str, dict[str, tuple[str, str]]]


def batches(ui: PageTools) -> PageBatches:
    """Return the batches that the page starts, which all sessions share."""
    return ui.services.part(
        "batches",
        lambda services: PageBatches(services.store, services.jobs, services.templates, lambda: services.planner),
    )


def start(ui: PageTools, name: str, videos: Iterable[tuple[str, Path | AppError]], request: AnalysisRequest) -> None:
    """Start a batch of these videos and show it; see `PageBatches.start`."""
    ui.view.open_batch(batches(ui).start(name, videos, request).id)


def draw_page(ui: PageTools, job: JobSnapshot | None) -> bool:
    """Draw the batch that the address names, or the way back to it from an analysis.

    Returns:
        Whether a batch was drawn, and so the whole page.
    """
    is_drawn = job is None and bool(ui.view.batch_id) and not ui.view.video_id
    if job:
        _draw_back(ui, job.id)
    elif is_drawn:
        _draw(ui)
    return is_drawn


def _draw(ui: PageTools) -> None:
    """Draw the batch; return to the choice of videos if it is unknown."""
    state = ui.view
    try:
        batch = batches(ui).stored.get(state.batch_id or "")
    except AppError as error:
        state.choose_video(None)
        state.error = error
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(gap=None):
            st.markdown(f"#### {plain(batch.shown_name)}")
            st.caption(plain(joined(ui.local_time(batch.created), str(batch.folder or ""))))
        ui.button(t("ui.new"), "new", lambda: state.choose_video(None), icon="add")
    if batch.request.question:
        st.markdown(plain(batch.request.question))
    poll = st.fragment(_draw_progress, run_every=_POLL_SECONDS if _may_change(ui, batch) else None)
    poll(ui, batch.id)


def _draw_back(ui: PageTools, job_id: str) -> None:
    batch_id = ui.view.batch_id
    if not batch_id:
        return
    try:
        batch = batches(ui).stored.get(batch_id)
    except AppError:
        return
    if any(video.job_id == job_id for video in batch.videos):
        label, act, tip = plain(batch.shown_name), ui.view.open_batch, t("batch.page.back")
        ui.button(label, "back_to_batch", act, batch.id, icon="arrow_back", kind="tertiary", help=tip)


def _may_change(ui: PageTools, batch: Batch) -> bool:
    """Return whether the batch changes by itself; pending videos of a command may begin in its process."""
    statuses = status_of(batch, ui.services.jobs)
    is_elsewhere = batch.folder is not None and any(status.state == "pending" for status in statuses)
    return is_elsewhere or batches(ui).is_working(batch, statuses)


def _draw_progress(ui: PageTools, batch_id: str) -> None:
    batch = batches(ui).stored.get(batch_id)
    statuses = status_of(batch, ui.services.jobs)
    live = _live_jobs(ui, statuses)
    ended, total = sum(status.is_over for status in statuses), len(statuses)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        left = remaining(_seconds_left(ui, statuses))
        st.markdown(plain(joined(counts_text(counts_of(statuses), total), left)))
        with st.container(horizontal=True, gap="small", width="content"):
            conflicts = _draw_actions(ui, batch, statuses)
    if ended < total:
        st.progress((ended + sum(job.share for job in live.values())) / total)
    for error in filter(None, (ui.view.error, batches(ui).error_of(batch_id))):
        ui.show_error(error)
    if conflicts:
        _draw_conflicts(ui, batch, conflicts)
    _draw_table(ui, batch.id, statuses, live)
    if ui.view.opened or (ended == total and st.session_state.get("batch_worked") == batch_id):
        st.session_state["batch_worked"] = ""
        st.rerun()  # the whole page: it no longer polls, or an analysis was opened
    if ended < total:
        st.session_state["batch_worked"] = batch_id


def _live_jobs(ui: PageTools, statuses: Sequence[VideoStatus]) -> dict[str, JobSnapshot]:
    """Return the jobs that are being worked on, by their ids."""
    ids = [status.video.job_id for status in statuses if status.state in WORKING]
    return {job.id: job for job in map(ui.services.jobs.brief, ids)}


def _draw_actions(ui: PageTools, batch: Batch, statuses: Sequence[VideoStatus]) -> Conflicts:
    """Draw the buttons, and return what has to be decided before the batch can continue, if anything."""
    conflicts: Conflicts = {}

    def cancel() -> None:
        with ui.view.catching_errors():
            batches(ui).cancel(batch)

    is_working = batches(ui).is_working(batch, statuses)
    if ui.may_change and is_working:
        ui.button(t("batch.page.stop"), "batch_stop", cancel, icon="stop")
    if ui.may_change and batches(ui).can_continue(batch, statuses):
        conflicts = {} if is_working else batches(ui).conflicts(statuses)  # it takes a while, and this is polled
        if not conflicts:
            ui.button(t("batch.page.continue"), "batch_continue", _proceed, ui, batch, False, icon="resume")
    if any(status.is_over for status in statuses):
        url = ui.export_url(f"batches/{batch.id}.zip")
        ui.draw_saves([SaveGroup((SaveButton(t("batch.page.save"), url, t("batch.page.save_how")),))], key="batch_save")
    return conflicts


def _draw_conflicts(ui: PageTools, batch: Batch, conflicts: Conflicts) -> None:
    """Draw the settings that have changed since answers were made, and the ways to continue."""
    jobs = [ui.services.jobs.brief(job_id) for job_id in conflicts]
    changes = {name: values for changed in reversed(conflicts.values()) for name, values in changed.items()}

    def beside() -> None:
        with suppress(InputError):  # the settings change as soon as running analyses have ended
            batches(ui).proceed(batch)

    ui.draw_changed_settings(jobs, changes, partial(_proceed, ui, batch, True), beside)


def _proceed(ui: PageTools, batch: Batch, accept_changes: bool) -> None:
    with ui.view.catching_errors():
        batches(ui).proceed(batch, accept_changes=accept_changes)


def _seconds_left(ui: PageTools, statuses: Sequence[VideoStatus]) -> float | None:
    """Estimate the remaining time of the jobs that wait or run in this process."""
    ids = {status.video.job_id for status in statuses if not status.is_over}
    jobs = ui.services.jobs
    live = [job for job in (*jobs.waiting(), *(jobs.snapshot(job_id) for job_id in jobs.running())) if job.id in ids]
    return ui.seconds_left(tuple(live)) if live else None


def _draw_table(ui: PageTools, batch_id: str, statuses: Sequence[VideoStatus], live: Mapping[str, JobSnapshot]) -> None:
    """Draw a row for each video, which can be sorted and searched; a click opens the report."""
    shown = [
        _live_row(ui, status, live[status.video.job_id]) if status.video.job_id in live else _row(ui, status)
        for status in statuses
    ]
    names = {name: t(f"batch.{name}") for name in ("video", "state", "length", "says")}
    columns: dict[str, Any] = {name: st.column_config.TextColumn(label) for name, label in names.items()}
    columns["state"] = st.column_config.TextColumn(names["state"], width=_STATE_WIDTH)
    columns["says"] = st.column_config.TextColumn(names["says"], width="large")
    # A table of its own after each choice: a cell that stays selected keeps the table's buttons over the page's.
    key = f"batch_table_{batch_id}_{st.session_state.setdefault('batch_choices', 0)}"

    def open_row() -> None:
        st.session_state["batch_choices"] += 1
        for row, _ in st.session_state[key]["selection"]["cells"]:
            if job_id := statuses[row].video.job_id:
                ui.view.open_job(job_id)

    st.dataframe(
        {name: [row[name] for row in shown] for name in ("picture", *names)},
        key=key,
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height="content",
        column_config={"picture": st.column_config.ImageColumn("", width="small"), **columns},
        on_select=open_row,
        selection_mode="single-cell",
    )


def _row(ui: PageTools, status: VideoStatus) -> dict[str, str]:
    entry = status.entry
    return {
        "picture": ui.cover_url(entry),
        "video": status.video.name,
        "says": _reason(ui, status) or (entry.title or _title(ui, entry.id, status.state, entry) if entry else ""),
        "length": length_clock(entry.seconds) if entry and entry.seconds else "",
        "state": t(f"library.state.{status.state}"),
    }


def _live_row(ui: PageTools, status: VideoStatus, job: JobSnapshot) -> dict[str, str]:
    """Return the row of a video that is being analysed: its first picture, how far it is, and the first words."""
    frames, length = (*job.progress.keyframes, *job.progress.found), job.progress.video
    seconds = length.duration_seconds_from_header if length else None
    return {
        "picture": ui.picture_url(job.id, frames[0], PICTURE_SIDE) if frames else "",
        "video": status.video.name,
        "says": _first_words(job),
        "length": length_clock(seconds) if seconds else "",
        "state": ui.progress_words(job) if job.state != "measuring" else t(f"library.state.{job.state}"),
    }


def _first_words(job: JobSnapshot) -> str:
    """Return the beginning of what a model has written so far: the answer to the question, else about the frames."""
    answers = job.progress.answer.answers if job.progress.answer else ()
    texts = [answers[-1].brief or answers[-1].answer] if answers else []
    texts += [partial_text(answer) for _, answer in sorted(job.progress.answers.items())]
    return shortened(next(filter(None, map(single_line, texts)), ""), _MOST_WORDS)


@st.cache_resource(max_entries=2048, show_spinner=False)
def _title(_ui: PageTools, job_id: str, state: str, _entry: LibraryEntry) -> str:
    """Return the first statement of a report without a headline; it is kept, since reading a report takes a while."""
    try:
        return title_of(_ui.services.jobs, _entry)
    except AppError:
        return ""


def _reason(ui: PageTools, status: VideoStatus) -> str:
    """Return why a video was refused or its analysis has no answer, "" if it has an answer or its state says why."""
    if failure := status.video.failure:
        return error_words(failure.as_error())
    if status.state not in ("failed", "model_failed"):
        return ""
    try:
        error = ui.services.jobs.brief(status.video.job_id).error
    except AppError:
        return ""
    return error_words(error) if error else ""
