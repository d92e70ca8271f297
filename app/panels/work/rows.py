"""Rows of analyses with their state and actions, and how long unfinished analyses will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components.assets import component, sent_about
from app.context import services
from app.panels.report.comparison import template_name
from app.state import page_state
from framelens.core.errors import AppError
from framelens.core.units import extrapolated_seconds
from framelens.i18n import t
from framelens.plugin_page import JobRow
from framelens.reports.content.page_text import joined, short_clock

if TYPE_CHECKING:
    from framelens.core.analysis_state import AnalysisState
    from framelens.jobs.snapshot import JobSnapshot
    from framelens.store.library_index import LibraryEntry

_ESTIMATE_SECONDS = 60
"""How long an estimate is cached: the queue asks every two seconds, and throughput changes slowly."""
_NUM_ESTIMATED = 8  # an estimate probes the video, which takes a third of a second; the others count as their mean
_mount = component("jobs", "icons")


def run_action(job_id: str, action: str) -> None:
    """Run the action of a row's button: "first", "pause" or "cancel"."""
    actions = {"first": services().jobs.put_first, "pause": services().jobs.pause, "cancel": services().jobs.cancel}
    with page_state().catching_errors():
        actions[action](job_id)


def topic_of(entry: LibraryEntry) -> str:
    """Return what distinguishes an analysis from others of its video: the question, the title or the report type."""
    return entry.question or entry.title or template_name(entry.template)


def seconds_left(jobs: tuple[JobSnapshot, ...]) -> float | None:
    """Estimate the seconds until all jobs are over, with one engine answering them.

    Jobs without an estimate count as the mean of the others. Returns None if no job has an estimate.
    """
    estimates = []
    for job in jobs[:_NUM_ESTIMATED]:
        try:
            seconds = expected_seconds(job.id, job)
        except AppError:  # the video no longer exists: the job ends at once
            seconds = 0.0
        if seconds is not None:
            estimates.append(seconds * (1.0 - job.share))
    return extrapolated_seconds(sum(estimates), len(estimates), len(jobs)) if any(estimates) else None


@st.cache_resource(ttl=_ESTIMATE_SECONDS, max_entries=512, show_spinner=False)
def expected_seconds(job_id: str, _job: JobSnapshot) -> float | None:
    """Return how long an analysis takes from start to end, None while the engine's speed is unknown.

    Raises:
        InputError: The video can't be used.
        DecodeError: The video can't be decoded.
    """
    request = _job.request
    template = services().templates.find(request.template)
    estimate = services().planner(resources.probe_video(request.path), request, template)
    return sum(estimate.whole_seconds) / 2 if estimate.whole_seconds else None


def stage_text(job: JobSnapshot) -> str:
    """Return the stage in words; a job that just started opens its video before it reports a stage."""
    if job.progress.stage:
        return t(f"stage.{job.progress.stage}")
    return t("ui.waiting" if job.state == "queued" else "ui.opening_video")


def count_text(analysis: AnalysisState) -> str:
    """Return "3 / 8", or how far the video has been read; "" where the stage has no count."""
    if not analysis.total:
        return ""
    if analysis.stage == "survey":
        return f"{short_clock(analysis.step)} / {short_clock(analysis.total)}"
    return f"{analysis.step} / {analysis.total}"


def progress_words(job: JobSnapshot) -> str:
    """Return what a running analysis does at the moment, and how far it is, as its own page does."""
    return joined(f"{round(100 * job.share)} %", stage_text(job), count_text(job.progress))


def draw(
    jobs: Sequence[JobRow],
    *,
    key: str,
    on_open: Callable[[str], None],
    on_act: Callable[[str, str], None] = lambda job_id, action: None,
) -> None:
    """Draw the rows.

    Args:
        jobs: The rows in their order.
        key: The widget key.
        on_open: Called with the id of the row that was clicked.
        on_act: Called with an id and the name of an action.
    """
    by_id = {job.id: job for job in jobs}

    def opened() -> None:
        if value := sent_about(by_id, key, "open"):
            on_open(value["id"])

    def acted() -> None:
        value = sent_about(by_id, key, "act")
        if value and value.get("action") in by_id[value["id"]].actions:
            on_act(value["id"], value["action"])

    _mount(key=key, data={"jobs": [job.value for job in jobs]}, on_open_change=opened, on_act_change=acted)
