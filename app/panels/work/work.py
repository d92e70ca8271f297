"""Work in the sidebar: one list of running, waiting and finished work; plugins add rows for several analyses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components import slots
from app.components.controls import button
from app.context import may_change, services
from app.formatting import local_time, short_time
from app.panels.analyse import frame_options
from app.panels.report.comparison import template_name
from app.panels.work import rows
from app.state import page_state
from framelens.core.files import base_name
from framelens.i18n import t
from framelens.plugin_page import PICTURE_SIDE, JobRow, RowGroup
from framelens.reports.content.page_text import joined, plain, remaining
from framelens.store.library_index import LibraryEntry, LibraryQuery

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

_NUM_SHOWN = 10
_MOST_WAITING = 3
"""Rows, and rows of waiting analyses among them."""
_POLL_SECONDS = 2.0


def draw() -> None:
    """Draw the list and poll it while something waits or runs; nothing where nothing was ever done."""
    is_moving = _is_moving(_groups())
    st.fragment(_draw, run_every=_POLL_SECONDS if is_moving else None)(is_moving)


def _groups() -> list[RowGroup]:
    return [group for groups in slots.results("work.groups") for group in groups]


def _is_moving(groups: Iterable[RowGroup]) -> bool:
    jobs = services().jobs
    return bool(jobs.waiting() or jobs.all_running()) or any(group.is_moving for group in groups)


def _draw(was_moving: bool) -> None:
    groups = _groups()
    if page_state().opened or was_moving != _is_moving(groups):
        st.rerun()  # the whole page: an opened analysis is shown outside of this fragment
    running, waiting = services().jobs.all_running(), services().jobs.waiting()
    drawn = list(_rows(running, waiting, groups))
    if not drawn:
        return
    opened = {group.row.id: group.open for group in groups}

    def open_row(row_id: str) -> None:
        opened.get(row_id, partial(page_state().open_job, row_id))()

    with st.container(gap="xsmall", key="work"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap=None):
            st.markdown(f"**{t('ui.work')}**", width="content")
            if len(running) + len(waiting) > 1 and may_change():
                label, cancel = t("ui.queue_cancel_all"), services().jobs.cancel_all
                button(label, "queue_cancel_all", cancel, icon="close", kind="tertiary")
        if len(running) + len(waiting) > 1:
            count = t("ui.queue_count", n=len(running) + len(waiting))
            time_left = remaining(rows.seconds_left((*running, *waiting)))
            st.caption(plain(joined(count, time_left)))
        rows.draw(drawn, key="work_rows", on_open=open_row, on_act=rows.run_action)


def _rows(
    running: Iterable[JobSnapshot], waiting: Iterable[JobSnapshot], groups: Sequence[RowGroup]
) -> Iterable[JobRow]:
    """Yield what runs, then the next that wait, then groups and analyses by their age."""
    grouped = frozenset[str]().union(*(group.job_ids for group in groups))
    live = [*((job, 0) for job in running), *((job, position) for position, job in enumerate(waiting, start=1))]
    alone = [(job, position) for job, position in live if job.id not in grouped]
    shown = [(job, position) for job, position in alone if position <= _MOST_WAITING or job.id == page_state().job_id]
    yield from (_live_row(job, position) for job, position in shown)
    ids = grouped.union(job.id for job, _ in live)
    entries = services().jobs.library.find(LibraryQuery(), order="newest", offset=0, limit=_NUM_SHOWN + len(ids))
    done = [entry for entry in entries if entry.id not in ids]
    dated = [*((entry.created, _entry_row(entry)) for entry in done), *((group.created, group.row) for group in groups)]
    dated.sort(key=itemgetter(0), reverse=True)
    yield from (row for _, row in dated[: max(1, _NUM_SHOWN - len(shown))])


def _live_row(job: JobSnapshot, position: int) -> JobRow:
    """Build the row of an analysis that runs, or waits at this position of the queue."""
    state = t("ui.queue_waits", n=position) if position else rows.progress_words(job)
    part = frame_options.format_selection(job.request.selection, digits=0)
    title = job.request.question or template_name(job.request.template)
    frames = (*job.progress.keyframes, *job.progress.found)
    actions = ["first"] if position > 1 else ["pause"] if not position and job.can_pause else []
    return JobRow(
        job.id,
        job.name,
        (title, part),
        icon="queued" if position else "running",
        state=state,
        status=(state,),
        more=(base_name(job.model),),
        is_open=job.id == page_state().job_id,
        actions={name: t(f"ui.queue_{name}") for name in (*actions, "cancel") if may_change()},
        picture=resources.picture_url(job.id, frames[0], PICTURE_SIDE) if frames else "",
    )


def _entry_row(entry: LibraryEntry) -> JobRow:
    state = services().jobs.state_of(entry)
    label = t(f"library.state.{state}")
    part = frame_options.format_stored_range(entry.start_seconds, entry.end_seconds, digits=0)
    return JobRow(
        entry.id,
        entry.name,
        (rows.topic_of(entry), part),
        icon=state,
        state=label,
        status=("" if state == "done" else label, short_time(entry.created)),
        more=(local_time(entry.created), base_name(entry.model)),
        is_open=entry.id == page_state().job_id,
        picture=resources.cover_url(entry),
    )
