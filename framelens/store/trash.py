"""Trash of deleted analyses: listed, restored, and found once their time is over.

An analysis in it stays in the store unchanged, with its images, conversations and links, and with its uploaded video;
no other query finds it (`listed` in framelens.store.database).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from framelens.core.errors import InputError
from framelens.core.identity import requires
from framelens.core.wall_clock import earliest_time, latest_time
from framelens.store.audit import AuditLog
from framelens.store.database import Store, listed, visible
from framelens.store.library_index import LATEST

KEPT_DAYS = 30
"""Days after which an analysis in the trash is deleted for good, as in mail programs and photo libraries."""
_ENTRIES = (
    "SELECT id, name, deleted, ifnull(entries.path, '') FROM trash JOIN jobs ON jobs.id = trash.job_id"
    " LEFT JOIN entries ON entries.job_id = trash.job_id"
)


@dataclass(frozen=True)
class TrashEntry:
    """An analysis in the trash.

    Attributes:
        deleted: ISO time in UTC at which it came there.
        path: File of the video, "" if it isn't known.
    """

    id: str
    name: str
    deleted: str
    path: str

    @property
    def days_left(self) -> int:
        """Return the days until it is deleted for good, a day that has begun included: at least one."""
        end = datetime.fromisoformat(self.deleted) + timedelta(days=KEPT_DAYS)
        return max(1, math.ceil((end - _at(earliest_time())) / timedelta(days=1)))


class Trash:
    """The trash of one store, as far as the user of the context may see it. Safe to use from several threads.

    Every method raises StorageError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)

    @requires("analyst")
    def put(self, job_ids: Iterable[str]) -> list[TrashEntry]:
        """Move analyses that are over to the trash, all in one transaction; others are ignored.

        Returns:
            Those that were moved.
        """
        clause, values = listed()
        deleted = _at(latest_time()).isoformat(timespec="milliseconds")
        moved = []
        with self._store.changing(frees=True) as connection:
            for job_id in job_ids:
                found = f"SELECT id, ? FROM jobs WHERE id = ? AND {clause}"
                connection.execute(f"INSERT INTO trash {found}", (deleted, job_id, *values))
                if connection.execute("SELECT changes()").fetchone()[0] and (entry := self.entry(job_id)):
                    moved.append(entry)
                    self._audit.record("trash", entry.id, entry.name)
        return moved

    @requires("analyst")
    def restore(self, job_ids: Iterable[str]) -> list[TrashEntry]:
        """Put analyses back as they were, all in one transaction; those that aren't in the trash are ignored.

        Returns:
            Those that were put back.
        """
        restored = []
        with self._store.changing(frees=True) as connection:
            for entry in filter(None, map(self.entry, job_ids)):
                restored.append(entry)
                connection.execute("DELETE FROM trash WHERE job_id = ?", (entry.id,))
                self._audit.record("untrash", entry.id, entry.name)
        return restored

    def entry(self, job_id: str) -> TrashEntry | None:
        """Get an analysis in the trash, or None."""
        return next(iter(self._entries("id = ?", job_id)), None)

    def entries(self) -> list[TrashEntry]:
        """List what is in the trash, the last deleted first."""
        return self._entries("1")

    def expired(self) -> list[TrashEntry]:
        """List what has been in the trash for its time, the first deleted first."""
        before = _at(earliest_time()) - timedelta(days=KEPT_DAYS)
        return self._entries("deleted <= ?", before.isoformat(timespec="milliseconds"))[::-1]

    def resolve(self, given: str) -> TrashEntry:
        """Return the analysis with this id, a unique beginning of it, or "latest" for the last deleted.

        Raises:
            InputError: "trash_unknown" or "job_ambiguous".
        """
        entries = self.entries()
        found = entries[:1] if given == LATEST else [one for one in entries if given and one.id.startswith(given)]
        exact = [one for one in found if one.id == given]
        if not found:
            raise InputError("trash_unknown", id=given)
        if len(found) > 1 and not exact:
            raise InputError("job_ambiguous", id=given, first=found[0].id, second=found[1].id)
        return (exact or found)[0]

    def _entries(self, condition: str, *values: str) -> list[TrashEntry]:
        clause, own = visible("user_id")
        tail = f"WHERE {condition} AND {clause} ORDER BY deleted DESC, jobs.rowid DESC"
        return [TrashEntry(*row) for row in self._store.select(f"{_ENTRIES} {tail}", *values, *own)]


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
