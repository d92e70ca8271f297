"""Stored links to reports, each under the hash of its token; a link goes with its report, also into the trash."""

from dataclasses import astuple, dataclass

from framelens.store.database import NOT_IN_TRASH, Store, listed

_COLUMNS = "id, job_id, user_id, sha256, language, conversations, created, expires"
_OF_VISIBLE_JOBS = "job_id IN (SELECT id FROM jobs WHERE {clause})"


@dataclass(frozen=True)
class ShareRow:
    """A link to a report.

    Attributes:
        user_id: Id of the user who made it, or "".
        sha256: Hash of its token in hex digits.
        language: Language in which the report is shown.
        conversations: Whether the conversations about the report are shown, as 0 or 1.
        created: ISO time in UTC.
        expires: ISO time in UTC from which it doesn't open the report.
    """

    id: str
    job_id: str
    user_id: str
    sha256: str
    language: str
    conversations: int
    created: str
    expires: str


class ShareStore:
    """The links in a store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, row: ShareRow) -> None:
        """Store a link."""
        with self._store.changing() as connection:
            connection.execute(f"INSERT INTO shares ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(row))

    def of_job(self, job_id: str, now: str) -> list[ShareRow]:
        """List the links to a report that the user may see and that haven't expired, the newest first."""
        clause, values = listed()
        found = self._store.select(
            f"SELECT {_COLUMNS} FROM shares WHERE job_id = ? AND expires > ?"
            f" AND {_OF_VISIBLE_JOBS.format(clause=clause)} ORDER BY rowid DESC",
            job_id,
            now,
            *values,
        )
        return [ShareRow(*row) for row in found]

    def get(self, sha256: str, now: str) -> tuple[ShareRow, str] | None:
        """Get a link that hasn't expired by its token's hash, with the id of the report's owner; else None."""
        columns = ", ".join(f"shares.{name}" for name in _COLUMNS.split(", "))
        found = self._store.select(
            f"SELECT {columns}, jobs.user_id FROM shares JOIN jobs ON jobs.id = job_id"
            f" WHERE shares.sha256 = ? AND expires > ? AND job_id {NOT_IN_TRASH}",
            sha256,
            now,
        )
        return (ShareRow(*found[0][:-1]), found[0][-1]) if found else None

    def delete(self, share_id: str) -> bool:
        """Delete a link to a report that the user may see; return whether it existed."""
        clause, values = listed()
        with self._store.changing() as connection:
            gone = connection.execute(
                f"DELETE FROM shares WHERE id = ? AND {_OF_VISIBLE_JOBS.format(clause=clause)}", (share_id, *values)
            )
            return gone.rowcount > 0

    def delete_expired(self, now: str) -> None:
        """Delete the links that have expired."""
        with self._store.changing() as connection:
            connection.execute("DELETE FROM shares WHERE expires <= ?", (now,))
