"""Trash of deleted analyses and conversations: listed, restored, and found once their time is over.

An object in the trash stays in the store unchanged, an analysis with its images, conversations and links, and with its
uploaded video; no other query finds it (`listed` in framelens.store.database).
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from framelens.core.errors import InputError
from framelens.core.roles import requires
from framelens.store.audit import AuditLog
from framelens.store.database import NOT_IN_TRASH, Store, visible
from framelens.store.library_index import LATEST

TrashKind = Literal["report", "conversation"]

KEPT_DAYS = 30
"""Days after which something in the trash is deleted for good, as in mail programs and photo libraries."""
_TABLES: dict[TrashKind, str] = {"report": "jobs", "conversation": "conversations"}
_ENTRIES = (
    "SELECT trash.rowid AS place, trash.id AS id, kind, name, deleted, ifnull(entries.path, '') AS path, user_id"
    " FROM trash JOIN jobs ON jobs.id = trash.id LEFT JOIN entries ON entries.job_id = jobs.id WHERE kind = 'report'"
    " UNION ALL SELECT trash.rowid, trash.id, kind, name, deleted, '', user_id"
    " FROM trash JOIN conversations ON conversations.id = trash.id WHERE kind = 'conversation'"
)


@dataclass(frozen=True)
class TrashEntry:
    """An analysis or a conversation in the trash.

    Attributes:
        deleted: ISO time in UTC at which it came there.
        path: File of the video of an analysis, "" if it isn't known.
    """

    id: str
    kind: TrashKind
    name: str
    deleted: str
    path: str = ""

    @property
    def days_left(self) -> int:
        """Return the days until the object is deleted for good, rounded up, at least 1."""
        end = datetime.fromisoformat(self.deleted) + timedelta(days=KEPT_DAYS)
        return max(1, math.ceil((end - _utc_time(time.time())) / timedelta(days=1)))


class Trash:
    """The trash of a store that the user of the context may see. Safe to use from several threads.

    Every method raises StorageError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = AuditLog(store)

    @requires("analyst")
    def put(self, ids: Iterable[str], kind: TrashKind = "report") -> list[TrashEntry]:
        """Move analyses that are over, or conversations, to the trash, all in a transaction; other ids are ignored.

        Returns:
            The entries that were moved.
        """
        clause, values = visible("user_id")
        deleted = _utc_time(time.time()).isoformat(timespec="milliseconds")
        query = f"SELECT id, ?, ? FROM {_TABLES[kind]} WHERE id = ? AND id {NOT_IN_TRASH} AND {clause}"
        moved = []
        with self._store.changing(frees=True) as connection:
            for entry_id in ids:
                connection.execute(f"INSERT INTO trash {query}", (kind, deleted, entry_id, *values))
                if connection.execute("SELECT changes()").fetchone()[0] and (entry := self.entry(entry_id)):
                    moved.append(entry)
                    self._audit.record("trash", entry.id, entry.name)
        return moved

    @requires("analyst")
    def restore(self, ids: Iterable[str]) -> list[TrashEntry]:
        """Put these back as they were, all in a transaction; objects that aren't in the trash are ignored.

        Returns:
            The entries that were put back.
        """
        restored = []
        with self._store.changing(frees=True) as connection:
            for entry in filter(None, map(self.entry, ids)):
                restored.append(entry)
                connection.execute("DELETE FROM trash WHERE id = ?", (entry.id,))
                self._audit.record("untrash", entry.id, entry.name)
        return restored

    @requires("analyst")
    def purge_conversation(self, entry: TrashEntry) -> None:
        """Delete a conversation in the trash for good, with the pictures that no other conversation has.

        Raises:
            InputError: "trash_unknown": it was restored or deleted meanwhile.
        """
        with self._store.changing(frees=True) as connection:
            self.check(entry)
            connection.execute("DELETE FROM conversations WHERE id = ?", (entry.id,))
            self._audit.record("delete", entry.id, entry.name)

    def check(self, entry: TrashEntry) -> None:
        """Check that something is in the trash since the same time.

        Raises:
            InputError: "trash_unknown": it was restored, and perhaps deleted again.
        """
        current = self.entry(entry.id)
        if current is None or current.deleted != entry.deleted:
            raise InputError("trash_unknown", id=entry.id)

    def entry(self, entry_id: str) -> TrashEntry | None:
        """Get the entry with this id, or None."""
        return next(iter(self._entries("id = ?", entry_id)), None)

    def entries(self) -> list[TrashEntry]:
        """List the entries, the last deleted first."""
        return self._entries("1")

    def expired(self) -> list[TrashEntry]:
        """List the entries that are due to be deleted for good, the first deleted first."""
        before = _utc_time(time.time()) - timedelta(days=KEPT_DAYS)
        return self._entries("deleted <= ?", before.isoformat(timespec="milliseconds"))[::-1]

    def resolve(self, reference: str) -> TrashEntry:
        """Return the entry with this id, a unique beginning of it, or "latest" for the last deleted entry.

        Raises:
            InputError: "trash_unknown" or "job_ambiguous".
        """
        entries = self.entries()
        matching = (
            entries[:1]
            if reference == LATEST
            else [entry for entry in entries if reference and entry.id.startswith(reference)]
        )
        exact = [entry for entry in matching if entry.id == reference]
        if not matching:
            raise InputError("trash_unknown", id=reference)
        if len(matching) > 1 and not exact:
            raise InputError("job_ambiguous", id=reference, first=matching[0].id, second=matching[1].id)
        return (exact or matching)[0]

    def _entries(self, condition: str, *values: str) -> list[TrashEntry]:
        clause, own = visible("user_id")
        tail = f"WHERE {condition} AND {clause} ORDER BY deleted DESC, place DESC"
        rows = self._store.select(f"SELECT id, kind, name, deleted, path FROM ({_ENTRIES}) {tail}", *values, *own)
        return [TrashEntry(*row) for row in rows]


def _utc_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
