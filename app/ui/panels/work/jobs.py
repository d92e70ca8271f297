"""Running, waiting and recent analyses in the sidebar; the order of the queue can be changed, and each job stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.core import AppError
from app.i18n import t
from app.reports import title_and_details
from app.store import LibraryEntry, LibraryQuery
from app.ui import local_time, may_change, page_state, plain, remaining, resources, services
from app.ui.components.assets import component, sent
from app.ui.panels.analyse import frame_options
from app.ui.panels.report.comparison import template_name

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_NUM_SHOWN = 8
"""Rows shown. Chosen by hand; not tuned."""
_POLL_SECONDS = 2.0
_ESTIMATE_SECONDS = 60
"""How long an estimate is cached: the queue asks every two seconds, and throughput changes slowly."""
_NUM_ESTIMATED = 8  # an estimate probes the video, which takes a third of a second; the others count as their mean
_mount = component("jobs", "icons")


def draw_recent() -> None:
    """Draw a row for each; the open one is marked."""
    entries = services().jobs.library.find(LibraryQuery(), order="newest", offset=0, limit=_NUM_SHOWN)
    if not entries:
        return
    st.markdown(f"**{t('ui.recent')}**")
    rows = [_recent_row(entry) for entry in entries]
    draw(rows, key="recent", on_open=page_state().open_job)


def _recent_row(entry: LibraryEntry) -> JobRow:
    state = services().jobs.state_of(entry)
    state_words = t(f"library.state.{state}")
    title, line = title_and_details(
        entry.name,
        title=entry.title,
        question=entry.question,
        part=frame_options.format_stored_range(entry.start_seconds, entry.end_seconds, digits=0),
        model=entry.model,
    )
    made = (template_name(entry.template), state_words, local_time(entry.created))
    return JobRow(
        id=entry.id,
        name=entry.name,
        title=title,
        line=" · ".join(filter(None, (local_time(entry.created), line))),  # the end of a long line is cut off
        icon=state,
        state=state_words,
        about=" · ".join(filter(None, (title, line, *made))),
        is_open=entry.id == page_state().job_id,
    )


def draw_queue() -> None:
    """Draw the queue and poll it; nothing for a single job, which the page itself shows."""
    if services().jobs.waiting() or len(services().jobs.all_running()) > 1:
        st.fragment(_draw, run_every=_POLL_SECONDS)()


def run_action(job_id: str, action: str) -> None:
    """Run the action of a row's button: "first", "pause" or "cancel"."""
    actions = {"first": services().jobs.put_first, "pause": services().jobs.pause, "cancel": services().jobs.cancel}
    with page_state().catching_errors():
        actions[action](job_id)


def _draw() -> None:
    running, waiting = services().jobs.all_running(), services().jobs.waiting()
    if page_state().opened or not (running or waiting):
        st.rerun()  # the whole page: an opened analysis is shown outside of this fragment
    with st.container(gap="xsmall", key="queue"):
        left = remaining(seconds_left((*running, *waiting)))
        count = t("ui.queue_count", n=len(running) + len(waiting))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap=None):
            st.markdown(f"**{t('ui.queue')}**", width="content")
            if may_change():
                st.button(
                    t("ui.queue_cancel_all"),
                    key="queue_cancel_all",
                    type="tertiary",
                    icon=":material/close:",
                    on_click=services().jobs.cancel_all,
                )
        st.caption(plain(" · ".join(filter(None, (count, left)))))
        shown = [_queue_row(job, 0) for job in running]
        shown += [_queue_row(job, place) for place, job in enumerate(waiting, start=1)]
        draw(shown, key="queue_rows", on_open=page_state().open_job, on_act=run_action)


def _queue_row(job: JobSnapshot, place: int) -> JobRow:
    """Build a row; `place` is the position in the queue, 0 for a running analysis."""
    state = t("ui.queue_waits", n=place) if place else _progress_words(job)
    title, line = title_and_details(
        job.name,
        question=job.request.question,
        part=frame_options.format_selection(job.request.selection, digits=0),
        model=job.model,
    )
    actions = ["first"] if place > 1 else ["pause"] if not place and job.can_pause else []
    return JobRow(
        id=job.id,
        name=job.name,
        title=f"{place}. {title}" if place else title,
        line=line if place else " · ".join(filter(None, (state, line))),
        icon="queued" if place else "running",
        state=state,
        about=" · ".join(filter(None, (title, line, state))),
        is_open=job.id == page_state().job_id,
        actions=[RowAction(name, t(f"ui.queue_{name}")) for name in (*actions, "cancel") if may_change()],
    )


def seconds_left(jobs: tuple[JobSnapshot, ...]) -> float | None:
    """Estimate the seconds until all jobs are over, with one engine answering them.

    Jobs without an estimate count as the mean of the others; None where there is no estimate at all.
    """
    known = []
    for job in jobs[:_NUM_ESTIMATED]:
        try:
            seconds = expected_seconds(job)
        except AppError:  # its video is gone: it ends at once
            seconds = 0.0
        if seconds is not None:
            known.append(seconds * _share_left(job))
    return sum(known) * len(jobs) / len(known) if known and any(known) else None


def expected_seconds(job: JobSnapshot) -> float | None:
    """Return how long an analysis takes from start to end, None while the engine's throughput is unknown.

    Raises:
        InputError: The video can't be used.
        DecodeError: The video can't be decoded.
    """
    return _expected_seconds(job.id, job)


@st.cache_resource(ttl=_ESTIMATE_SECONDS, max_entries=512, show_spinner=False)
def _expected_seconds(job_id: str, _job: JobSnapshot) -> float | None:
    request = _job.request
    template = services().templates.find(request.template)
    estimate = services().planner(resources.probe_video(request.path), request, template)
    return sum(estimate.whole_seconds) / 2 if estimate.whole_seconds else None


def _share_left(job: JobSnapshot) -> float:
    """Return the share of an analysis that remains, by its answered parts."""
    return 1.0 - job.progress.step / job.progress.total if job.progress.stage == "ask" and job.progress.total else 1.0


def _progress_words(job: JobSnapshot) -> str:
    stage = t(f"stage.{job.progress.stage}") if job.progress.stage else t("ui.state_running")
    return f"{stage} {job.progress.step}/{job.progress.total}" if job.progress.total else stage


@dataclass(frozen=True)
class RowAction:
    """A button of a row.

    Attributes:
        name: One of icons.js: first, pause, cancel.
        words: Its label.
    """

    name: str
    words: str


@dataclass(frozen=True)
class JobRow:
    """A row.

    Attributes:
        id: Id of the job.
        name: Name of the video, for screen readers.
        title: First line.
        line: Second line, which distinguishes the analysis from others like it.
        icon: Name of a state.
        state: The state in words.
        about: Everything, shown as a tooltip.
        is_open: Whether it is the open analysis.
        actions: Its buttons.
    """

    id: str
    name: str
    title: str
    line: str
    icon: str
    state: str
    about: str
    is_open: bool
    actions: Sequence[RowAction] = ()


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

    def read(name: str) -> dict[str, Any]:
        value = sent(key, name)
        return value if isinstance(value, dict) and value.get("id") in by_id else {}

    def opened() -> None:
        if value := read("open"):
            on_open(value["id"])

    def acted() -> None:
        value = read("act")
        if value and value.get("action") in {one.name for one in by_id[value["id"]].actions}:
            on_act(value["id"], value["action"])

    _mount(key=key, data={"jobs": [asdict(job) for job in jobs]}, on_open_change=opened, on_act_change=acted)
