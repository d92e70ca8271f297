"""Corrections of reports in the database: a log for each report, which only grows."""

from collections.abc import Callable, Sequence

from framelens.core.codec import to_json
from framelens.core.corrections import Correction, merged
from framelens.store.database import Store

Log = tuple[Correction, ...]


def append(store: Store, job_id: str, make: Callable[[Log], Sequence[Correction]]) -> Log:
    """Append what `make` returns for the log so far, all or nothing, and return the whole log.

    No other program appends in between, so the numbers that `make` gives are free.

    Raises:
        StorageError: The database refuses.
    """
    with store.changing() as connection:
        log = store.corrections(job_id)
        added = tuple(make(log))
        rows = ((job_id, entry.number, to_json(entry)) for entry in added)
        connection.executemany("INSERT INTO corrections VALUES (?, ?, ?)", rows)
    return (*log, *added)


def merge(store: Store, job_id: str, others: Log) -> None:
    """Append what the log of the same report on another machine has more. Raises StorageError."""
    append(store, job_id, lambda log: merged(log, others))
