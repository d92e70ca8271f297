"""SQLite database of analyses: for each a document, images, and each result of its requests.

It doesn't interpret the documents. Several processes may use a file at the same time.
"""

import json
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from framelens.core.codec import from_json, to_json
from framelens.core.corrections import Correction
from framelens.core.errors import StorageError
from framelens.core.files import make_private_folder, readable
from framelens.core.roles import current_user
from framelens.store.fs_utils import DISK_FULL, keep_reserve, release_reserve
from framelens.store.locks import opening
from framelens.store.schema import VERSION, create_tables, version_of

DATABASE = "framelens.sqlite"
"""Name of the file in a data folder."""
_COLUMNS = "id, created, name, state, owner, document, priority, same, user_id"
_log = logging.getLogger(__name__)
_SHARED_MEMORY_BYTES = 64 << 10
"""SQLite's index of the write-ahead log is a file of 32 KiB; a disk with less than twice that counts as full."""
_PATIENCE_SECONDS = 30.0
"""How long to wait while another process writes."""
_PAUSE_SECONDS = 0.02
"""Time between two tries where SQLite itself doesn't wait."""
NOT_IN_TRASH = "NOT IN (SELECT id FROM trash)"
"""End of an SQL condition for the id of an analysis or a conversation."""


def visible(column: str) -> tuple[str, tuple[str, ...]]:
    """Return an SQL condition, with its values, for rows whose owner's id is in `column`: those that the user sees."""
    user = current_user()
    return ("1", ()) if user.sees_all else (f"({column} = ? AND {column} <> '')", (user.id,))


def listed() -> tuple[str, tuple[str, ...]]:
    """Return an SQL condition, with its values, for rows of jobs that the user sees and that aren't in the trash."""
    clause, values = visible("jobs.user_id")
    return f"(jobs.id {NOT_IN_TRASH} AND {clause})", values


@dataclass(frozen=True)
class Row:
    """A stored analysis.

    Attributes:
        owner: Name of the process that works on the analysis or did so last (framelens.store.locks).
        priority: Waiting analyses with a higher priority run first.
        same: Deduplication key, "" until it is known.
        user_id: Id of the user to whom it belongs, or ""; never changed after it was inserted.
    """

    id: str
    created: str
    name: str
    state: str
    owner: str
    document: str
    priority: int = 0
    same: str = ""
    user_id: str = ""


class Store:
    """Database in a file, shared by all threads.

    `folder` is the data folder. `get` and `recent` find the rows that the user of the context may see. Rows in the
    trash are found by `get_trashed` alone.

    The constructor and every method raise StorageError if SQLite or the operating system refuses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.folder = path.parent
        self._lock = threading.RLock()
        self._file: tuple[int, int] | None = None
        with self._guard():
            make_private_folder(path.parent)
            with opening(path.parent, _PATIENCE_SECONDS):
                path.touch(mode=0o600)  # SQLite gives its log files the mode of the database
                try:
                    self._connection = _connect(path)
                except sqlite3.Error:
                    if not release_reserve(path.parent):
                        raise
                    self._connection = _connect(path)  # so that something can be deleted
            _prepare(self._connection)
            keep_reserve(path.parent)
            self._file = _file_id(path)

    def save(self, row: Row) -> None:
        """Insert the analysis or replace its row; its images and results stay."""
        with self._guard():
            self._connection.execute(
                f"INSERT INTO jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " name = excluded.name, state = excluded.state, owner = excluded.owner, document = excluded.document,"
                " priority = excluded.priority, same = excluded.same",
                astuple(row),
            )

    def save_frames(self, job_id: str, frames: Iterable[tuple[int, bytes]]) -> None:
        """Store the images of an analysis by number, all or nothing."""
        with self._guard(), self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?, ?)", ((job_id, number, jpeg) for number, jpeg in frames)
            )

    def get(self, job_id: str) -> Row | None:
        """Get an analysis by id, or None."""
        clause, values = listed()
        return next(iter(self._rows(f"WHERE id = ? AND {clause}", job_id, *values)), None)

    def get_trashed(self, job_id: str) -> Row | None:
        """Get an analysis in the trash by id, or None."""
        clause, values = visible("user_id")
        tail = f"WHERE id = ? AND id IN (SELECT id FROM trash) AND {clause}"
        return next(iter(self._rows(tail, job_id, *values)), None)

    def recent(self, limit: int) -> list[Row]:
        """List analyses, the last inserted first: by insertion, since clocks can be set back."""
        clause, values = listed()
        return self._rows(f"WHERE {clause} ORDER BY rowid DESC LIMIT ?", *values, limit)

    def in_states(self, *states: str) -> list[Row]:
        """List the analyses in these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        return self._rows(f"WHERE state IN ({marks}) AND id {NOT_IN_TRASH} ORDER BY rowid", *states)

    def same_as(self, same: str) -> list[Row]:
        """List the user's own analyses with this deduplication key, the newest first."""
        tail = f"WHERE same = ? AND user_id = ? AND id {NOT_IN_TRASH} ORDER BY rowid DESC"
        return self._rows(tail, same, current_user().id)

    def take_over(self, row: Row, owner: str, state: str) -> bool:
        """Replace the owner and the state of an analysis; drop control requests for the previous owner.

        Returns:
            False if owner or state are no longer those in `row`, or it is in the trash: another process was quicker.
        """
        with self._guard():
            cursor = self._connection.execute(
                "UPDATE jobs SET owner = ?, state = ?, wish = '' WHERE id = ? AND owner = ? AND state = ?"
                f" AND id {NOT_IN_TRASH}",
                (owner, state, row.id, row.owner, row.state),
            )
            return cursor.rowcount == 1

    def stamp(self) -> int:
        """Return a number that changes whenever another process writes to the file."""
        with self._guard():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def request_control(self, job_id: str, request: str) -> None:
        """Leave a control request for the process that works on this analysis."""
        with self._guard():
            self._connection.execute("UPDATE jobs SET wish = ? WHERE id = ?", (request, job_id))

    def take_control_requests(self, owner: str) -> dict[str, str]:
        """Read and remove the control requests for `owner`, by id of the analysis."""
        with self._guard():
            rows = self._connection.execute("SELECT id, wish FROM jobs WHERE owner = ? AND wish <> ''", (owner,))
            requests: dict[str, str] = dict(rows.fetchall())
            for job_id, request in requests.items():
                self._connection.execute("UPDATE jobs SET wish = '' WHERE id = ? AND wish = ?", (job_id, request))
            return requests

    def save_result(self, job_id: str, number: int, document: str) -> None:
        """Store a result of an analysis in place of the result with that number."""
        with self._guard():
            self._connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (job_id, number, document))

    def results(self, job_id: str) -> dict[int, str]:
        """Get the results of an analysis by number."""
        return dict(self.select("SELECT number, document FROM results WHERE job_id = ? ORDER BY number", job_id))

    def keep_results(self, job_id: str, numbers: Iterable[int]) -> None:
        """Delete all results of an analysis but these."""
        kept_numbers = list(numbers)
        with self._guard():
            self._connection.execute(
                f"DELETE FROM results WHERE job_id = ? AND number NOT IN ({', '.join('?' * len(kept_numbers))})",
                (job_id, *kept_numbers),
            )

    def corrections(self, job_id: str) -> tuple[Correction, ...]:
        """Get the log of the corrections of a report in its order. Raises ValueError for a damaged entry."""
        rows = self.select("SELECT document FROM corrections WHERE job_id = ? ORDER BY number", job_id)
        return tuple(from_json(document, Correction) for (document,) in rows)

    def append_corrections(
        self, job_id: str, make: Callable[[tuple[Correction, ...]], Sequence[Correction]]
    ) -> tuple[Correction, ...]:
        """Append what `make` returns for the log so far, all or nothing; return what was appended. Raises StorageError.

        No other program appends in between, so the numbers that `make` gives are free.
        """
        with self.changing() as connection:
            added = tuple(make(self.corrections(job_id)))
            rows = ((job_id, entry.number, to_json(entry)) for entry in added)
            connection.executemany("INSERT INTO corrections VALUES (?, ?, ?)", rows)
        return added

    def frames(self, job_id: str) -> dict[int, bytes]:
        """Get the images of an analysis by number."""
        return dict(self.select("SELECT number, jpeg FROM frames WHERE job_id = ?", job_id))

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query; for modules that hold queries, in framelens.store and in plugins."""
        with self._guard():
            try:
                return self._connection.execute(query, values).fetchall()
            except UnicodeEncodeError:  # a name typed in another encoding, which no row has
                valid = [readable(value) if isinstance(value, str) else value for value in values]
                return self._connection.execute(query, valid).fetchall()

    @contextmanager
    def changing(self, *, frees: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a transaction that is rolled back on an error; for modules that hold queries.

        Args:
            frees: It deletes something, so it may use the room that is kept for a full disk.
        """
        if frees:
            release_reserve(self._path.parent)
        with self._guard(), self._transaction():
            yield self._connection

    @contextmanager
    def together(self, *, frees: bool = False) -> Iterator[None]:
        """Make a single transaction of all changes by this thread within the context: a kill leaves all or nothing.

        Args:
            frees: As for `changing`.
        """
        with self.changing(frees=frees):
            yield

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def _rows(self, tail: str, *values: str | int) -> list[Row]:
        return [Row(*row) for row in self.select(f"SELECT {_COLUMNS} FROM jobs {tail}", *values)]

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock, store_errors(self._path, self._path.parent):
            # SQLite continues with a file that was deleted, and all that is stored then would be lost.
            if self._file is not None and _file_id(self._path) != self._file:
                raise StorageError("store_gone", folder=str(self._path.parent))
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        is_part = self._connection.in_transaction  # within `together`
        self._connection.execute("SAVEPOINT part" if is_part else "BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("RELEASE part" if is_part else "COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it
                for statement in ("ROLLBACK TO part", "RELEASE part") if is_part else ("ROLLBACK",):
                    self._connection.execute(statement)
            raise


def open_store(data_dir: Path) -> Store:
    """Open the database of a data folder."""
    return Store(data_dir / DATABASE)


def _file_id(path: Path) -> tuple[int, int] | None:
    """Return device and inode, which distinguish this file from another file of its name; None without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


class DamagedRecord(StorageError, ValueError):
    """A record whose document can't be read; the others can."""


@contextmanager
def reading_record(record_id: str) -> Iterator[None]:
    """Turn what a damaged document of a record raises while it is read into DamagedRecord."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedRecord("record_damaged", id=record_id, reason=f"{type(error).__name__}: {error}"[:200]) from error


@contextmanager
def store_errors(path: Path, folder: Path) -> Iterator[None]:
    """Turn errors of a database into StorageErrors: "disk_full_now" if `folder` has no room, or "store_refused"."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last for a damaged name in SQLite's message
        if _is_full(error, folder):
            raise StorageError("disk_full_now", folder=str(folder), reason=str(error)) from error
        raise StorageError("store_refused", path=str(path), reason=str(error)) from error


def _is_full(error: Exception, folder: Path) -> bool:
    """Return whether a full disk is the cause; SQLite calls it an I/O error where its shared memory doesn't fit."""
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    with suppress(OSError):
        is_short = shutil.disk_usage(folder).free < _SHARED_MEMORY_BYTES
        return code == sqlite3.SQLITE_FULL or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and is_short)
    return False


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file with a write-ahead log, which keeps a shared lock on it until the connection is closed.

    Raises:
        StorageError: "store_newer" or "store_unreleased": another version of FrameLens wrote it.
    """
    connection = sqlite3.connect(path, check_same_thread=False, timeout=_PATIENCE_SECONDS, isolation_level=None)
    try:
        if (version := version_of(connection)) > VERSION:
            raise StorageError("store_newer", path=str(path), version=version, known=VERSION)
        if version < 0:
            raise StorageError("store_unreleased", path=str(path))
        _write_ahead(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Create the tables of a new database and set how it is used from then on; close the connection on an error."""
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        create_tables(connection)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise


def copy_store(path: Path, copy: Path) -> None:
    """Write a snapshot of a database that others may be using.

    It leaves out deleted data, sessions (users log in again), and confirmed downloads, which are valid on this machine
    alone. The caller removes a copy that couldn't be finished.

    Raises:
        StorageError: "store_newer", "store_unreleased" or "store_changing".
        sqlite3.Error: The database or the disk refuses.
    """
    copy.touch(mode=0o600)
    with opening(path.parent, _PATIENCE_SECONDS):
        connection = _connect(path)
    with closing(connection):
        _prepare(connection)
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        target.execute("PRAGMA secure_delete = ON")
        for rows in ("sessions", "model_records WHERE kind = 'downloads'"):
            target.execute(f"DELETE FROM {rows}")


def used_bytes(path: Path) -> int:
    """Return the size of a copy by `copy_store`, about."""
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS)) as connection:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def adopt_store(path: Path, moved: Mapping[str, str]) -> None:
    """Check a copied database, and change folders in its paths.

    Args:
        path: The database, which no one else uses.
        moved: Beginnings of paths in the database, each with its replacement.

    Raises:
        StorageError: "store_newer" or "store_unreleased".
        sqlite3.Error: It is damaged.
    """
    with closing(sqlite3.connect(path)) as connection:
        if (status := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(status)
    with closing(_connect(path)) as connection:
        _prepare(connection)
        for old, new in moved.items():
            pair = (json.dumps(old, ensure_ascii=False)[:-1], json.dumps(new, ensure_ascii=False)[:-1])
            for table in ("jobs", "submissions", "turns", "batches", "batch_videos"):
                connection.execute(
                    f"UPDATE {table} SET document = replace(document, ?, ?) WHERE instr(document, ?)", (*pair, pair[0])
                )
            connection.execute(
                "UPDATE entries SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
                (new, len(old) + 1, len(old), old),
            )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log. Retry, as SQLite refuses at once if another process is doing the same."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)
