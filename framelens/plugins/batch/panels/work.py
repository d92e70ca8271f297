"""Rows of batches in the sidebar's list of work, in place of those of their analyses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from app.context import services
from app.formatting import local_time
from app.panels.work.rows import JobRow, RowGroup
from app.state import page_state
from framelens.core.errors import AppError
from framelens.plugins.batch.archive import BatchArchive

if TYPE_CHECKING:
    from framelens.plugins.batch.archive import BatchRecord

_MOST_BATCHES = 3


def groups() -> Iterator[RowGroup]:
    """Yield a row for each of the latest batches."""
    try:
        records = BatchArchive(services().settings.data_dir).recent(_MOST_BATCHES)
    except AppError:  # the analyses are listed all the same
        return
    for record in records:
        ids = frozenset(one.job_id for one in record.videos)
        yield RowGroup(_row(record), record.created, ids, partial(page_state().open_batch, record.id))


def _row(record: BatchRecord) -> JobRow:
    from framelens.plugins.batch.job_batches import counts_of, status_of
    from framelens.plugins.batch.summary import counts_text

    statuses = status_of(record, services().jobs)
    counts = counts_text(counts_of(statuses), len(statuses))
    is_over = all(one.is_over for one in statuses)
    return JobRow(
        id=f"batch-{record.id}",
        name=record.shown_name,
        title=record.shown_name,
        line=counts,
        icon="batch" if is_over else "running",
        state=counts,
        about=" · ".join((record.shown_name, counts, local_time(record.created))),
        is_open=record.id == page_state().batch_id and page_state().job_id is None,
    )
