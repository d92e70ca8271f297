"""Rows of batches in the sidebar's list of work, in place of the rows of their analyses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from framelens import AppError
from framelens.plugin_page import JobRow, PageTools, RowGroup
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.panels.batch import batches
from framelens.plugins.batch.results import VideoStatus, counts_of, status_of
from framelens.plugins.batch.summary import states_text

if TYPE_CHECKING:
    from framelens.plugins.batch.batch import Batch

_MOST_BATCHES = 3


def groups(ui: PageTools) -> Iterator[RowGroup]:
    """Yield a row for each of the latest batches."""
    try:
        latest = BatchRepository(ui.services.store).recent(_MOST_BATCHES)
    except AppError:  # the analyses are listed all the same
        return
    for batch in latest:
        ids, statuses = frozenset(video.job_id for video in batch.videos), status_of(batch, ui.services.jobs)
        is_moving, act = batches(ui).is_working(batch, statuses), partial(ui.view.open_batch, batch.id)
        yield RowGroup(_row(ui, batch, statuses, is_moving=is_moving), batch.created, ids, act, is_moving)


def _row(ui: PageTools, batch: Batch, statuses: Sequence[VideoStatus], *, is_moving: bool) -> JobRow:
    counts = states_text(counts_of(statuses))
    return JobRow(
        f"batch-{batch.id}",
        batch.shown_name,
        (batch.request.question or ui.template_name(batch.request.template),),
        icon="running" if is_moving else "batch",
        state=counts,
        status=(counts, "" if is_moving else ui.short_time(batch.created)),
        more=(ui.local_time(batch.created),),
        is_open=batch.id == ui.view.batch_id and ui.view.job_id is None,
    )
