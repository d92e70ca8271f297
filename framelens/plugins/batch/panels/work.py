"""Rows of batches in the sidebar's list of work, in place of the rows of their analyses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from app.context import services
from app.formatting import local_time
from app.panels.work.rows import JobRow, RowGroup
from app.state import page_state
from framelens.core.errors import AppError
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.job_batches import counts_of, status_of
from framelens.plugins.batch.summary import counts_text

if TYPE_CHECKING:
    from framelens.plugins.batch.batch import Batch

_MOST_BATCHES = 3


def groups() -> Iterator[RowGroup]:
    """Yield a row for each of the latest batches."""
    try:
        found = BatchRepository(services().store).recent(_MOST_BATCHES)
    except AppError:  # the analyses are listed all the same
        return
    for batch in found:
        ids = frozenset(one.job_id for one in batch.videos)
        yield RowGroup(_row(batch), batch.created, ids, partial(page_state().open_batch, batch.id))


def _row(batch: Batch) -> JobRow:
    statuses = status_of(batch, services().jobs)
    counts = counts_text(counts_of(statuses), len(statuses))
    is_over = all(one.is_over for one in statuses)
    return JobRow(
        f"batch-{batch.id}",
        batch.shown_name,
        (counts,),
        icon="batch" if is_over else "running",
        state=counts,
        more=(local_time(batch.created),),
        is_open=batch.id == page_state().batch_id and page_state().job_id is None,
    )
