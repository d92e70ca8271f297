"""SQLite database of analyses: for each a document, images, and the results of its requests one by one.

It doesn't interpret the documents. Several processes may use one file at the same time.
"""

import json
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from framelens.core.errors import StorageError
from framelens.core.files import make_private_folder
from framelens.core.roles import current_user
from framelens.store import old_records
from framelens.store.fs_utils import DISK_FULL, keep_reserve, opening, release_reserve

DATABASE = "framelens.sqlite"
"""Name of the file in a data folder."""
_COLUMNS = "id, created, name, state, owner, document, priority, same, user_id"
_log = logging.getLogger(__name__)
_SHARED_MEMORY_BYTES = 64 << 10
"""SQLite's index of the write-ahead log is a file of 32 KiB; twice that counts as none free."""
_PATIENCE_SECONDS = 30.0
"""How long to wait while another process writes."""
_PAUSE_SECONDS = 0.02
"""Time between two tries where SQLite itself doesn't wait."""
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        owner_pid INTEGER NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX jobs_by_time ON jobs (created DESC);
    CREATE TABLE frames (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        jpeg BLOB NOT NULL,
        PRIMARY KEY (job_id, number)
    );
    """,
    """
    ALTER TABLE jobs DROP COLUMN owner_pid;
    ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN wish TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN same TEXT NOT NULL DEFAULT '';
    CREATE INDEX jobs_by_same ON jobs (same) WHERE same <> '';
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE TABLE results (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (job_id, number)
    );
    """,
    # Library entries, made from the documents by framelens.jobs.library_entries whenever `state` is no longer that of
    # the job or `form` is not the newest. A number is never reused: it is the key of the words.
    """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE REFERENCES jobs (id) ON DELETE CASCADE,
        state TEXT NOT NULL,
        form INTEGER NOT NULL,
        seconds REAL,
        model TEXT NOT NULL,
        template TEXT NOT NULL,
        language TEXT NOT NULL,
        mode TEXT NOT NULL,
        frames INTEGER NOT NULL,
        findings INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        path TEXT NOT NULL
    );
    CREATE INDEX entries_by_path ON entries (path);
    CREATE INDEX entries_by_sha256 ON entries (sha256);
    CREATE TABLE covers (
        job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        jpeg BLOB NOT NULL
    );
    CREATE TABLE passages (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        seconds REAL,
        text TEXT NOT NULL,
        PRIMARY KEY (job_id, place)
    );
    CREATE TABLE tags (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (job_id, tag)
    );
    CREATE INDEX tags_by_name ON tags (tag);
    """,
    # Vectors of passages for the semantic search, with the model that made them.
    """
    CREATE TABLE meanings (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        model TEXT NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (job_id, place)
    );
    """,
    # Columns that distinguish analyses of one video.
    """
    ALTER TABLE entries ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN question TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN start_seconds REAL NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN end_seconds REAL;
    """,
    # Conversations about analyses. `words` are those of the name, or of question and answer, made by the tokenizer.
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        created TEXT NOT NULL,
        changed TEXT NOT NULL,
        name TEXT NOT NULL,
        language TEXT NOT NULL,
        current INTEGER NOT NULL,
        words TEXT NOT NULL
    );
    CREATE INDEX conversations_by_job ON conversations (job_id);
    CREATE TABLE turns (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        words TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (conversation_id, number)
    );
    """,
    # Conversations about several analyses or none, and their pictures, which are stored once. A conversation goes with
    # the last of its analyses, a picture with the last conversation that has it.
    """
    CREATE TABLE conversation_jobs (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        PRIMARY KEY (conversation_id, place)
    );
    CREATE INDEX conversation_jobs_by_job ON conversation_jobs (job_id);
    INSERT INTO conversation_jobs SELECT id, 0, job_id FROM conversations;
    CREATE TABLE newer_conversations (
        id TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        changed TEXT NOT NULL,
        name TEXT NOT NULL,
        language TEXT NOT NULL,
        current INTEGER NOT NULL,
        words TEXT NOT NULL
    );
    INSERT INTO newer_conversations
        SELECT id, created, changed, name, language, current, words FROM conversations ORDER BY rowid;
    DROP TABLE conversations;
    ALTER TABLE newer_conversations RENAME TO conversations;
    CREATE TABLE pictures (
        sha256 TEXT PRIMARY KEY,
        added TEXT NOT NULL,
        jpeg BLOB NOT NULL
    );
    CREATE TABLE conversation_pictures (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        sha256 TEXT NOT NULL REFERENCES pictures (sha256),
        PRIMARY KEY (conversation_id, sha256)
    );
    CREATE INDEX conversation_pictures_by_picture ON conversation_pictures (sha256);
    CREATE TRIGGER last_job AFTER DELETE ON conversation_jobs
    WHEN NOT EXISTS (SELECT 1 FROM conversation_jobs WHERE conversation_id = OLD.conversation_id)
    BEGIN DELETE FROM conversations WHERE id = OLD.conversation_id; END;
    CREATE TRIGGER last_conversation AFTER DELETE ON conversation_pictures
    WHEN NOT EXISTS (SELECT 1 FROM conversation_pictures WHERE sha256 = OLD.sha256)
    BEGIN DELETE FROM pictures WHERE sha256 = OLD.sha256; END;
    """,
    # Keys, submissions and webhooks of the HTTP API. A submission goes with its job, and the messages with both.
    """
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        sha256 TEXT NOT NULL,
        created TEXT NOT NULL,
        per_minute INTEGER NOT NULL,
        jobs INTEGER NOT NULL
    );
    CREATE TABLE submissions (
        job_id TEXT PRIMARY KEY,
        key_id TEXT NOT NULL,
        created TEXT NOT NULL,
        state TEXT NOT NULL,
        owner TEXT NOT NULL,
        document TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX submissions_by_key ON submissions (key_id);
    CREATE INDEX submissions_by_state ON submissions (state);
    CREATE TRIGGER submitted_job AFTER DELETE ON jobs
    BEGIN DELETE FROM submissions WHERE job_id = OLD.id; END;
    CREATE TABLE webhooks (
        id TEXT PRIMARY KEY,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        url TEXT NOT NULL,
        secret TEXT NOT NULL,
        created TEXT NOT NULL
    );
    CREATE INDEX webhooks_by_key ON webhooks (key_id);
    CREATE TABLE deliveries (
        id TEXT PRIMARY KEY,
        webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        job_id TEXT NOT NULL REFERENCES submissions (job_id) ON DELETE CASCADE,
        state TEXT NOT NULL DEFAULT 'waiting',
        attempts INTEGER NOT NULL DEFAULT 0,
        due REAL NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX deliveries_by_state ON deliveries (state, due);
    CREATE INDEX deliveries_by_job ON deliveries (job_id);
    CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id);
    """,
    # Accounts, their sessions, the secret that signs cookies, and the account for which requests with a key run.
    """
    CREATE TABLE accounts (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL,
        password TEXT NOT NULL,
        created TEXT NOT NULL
    );
    CREATE TABLE sessions (
        sha256 TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
        created REAL NOT NULL,
        used REAL NOT NULL
    );
    CREATE INDEX sessions_by_account ON sessions (account_id);
    CREATE TABLE secrets (
        purpose TEXT PRIMARY KEY,
        value TEXT NOT NULL
    );
    ALTER TABLE api_keys ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
    CREATE TRIGGER keys_of_account AFTER DELETE ON accounts
    BEGIN DELETE FROM api_keys WHERE account_id = OLD.id; END;
    """,
    # Owners, "" for none; a webhook belongs to the owner of its key. A picture is stored once for all who have it.
    """
    ALTER TABLE jobs ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
    CREATE INDEX jobs_by_user ON jobs (user_id);
    ALTER TABLE conversations ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
    CREATE INDEX conversations_by_user ON conversations (user_id);
    ALTER TABLE submissions ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
    CREATE TABLE picture_users (
        sha256 TEXT NOT NULL REFERENCES pictures (sha256) ON DELETE CASCADE,
        user_id TEXT NOT NULL,
        PRIMARY KEY (sha256, user_id)
    );
    CREATE TABLE shares (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        user_id TEXT NOT NULL,
        sha256 TEXT NOT NULL UNIQUE,
        language TEXT NOT NULL,
        conversations INTEGER NOT NULL,
        created TEXT NOT NULL,
        expires TEXT NOT NULL
    );
    CREATE INDEX shares_by_job ON shares (job_id);
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        user_id TEXT NOT NULL,
        user_name TEXT NOT NULL,
        action TEXT NOT NULL,
        object_id TEXT NOT NULL,
        object_name TEXT NOT NULL
    );
    CREATE TRIGGER shares_of_account AFTER DELETE ON accounts
    BEGIN DELETE FROM shares WHERE user_id = OLD.id; END;
    """,
    # The state of reports whose model said nothing that can be used, by the rule of ChunkResult.is_usable at that time.
    """
    WITH broken AS (
        SELECT job_id, document,
            EXISTS (SELECT 1 FROM json_each(document, '$.troubles') WHERE value = 'repeats') AS repeats
        FROM results WHERE json_valid(document)
            AND EXISTS (SELECT 1 FROM json_each(document, '$.troubles') WHERE value IN ('repeats', 'cut', 'empty'))
    ), unusable AS (
        SELECT job_id, count(*) AS number FROM broken WHERE repeats OR NOT EXISTS (
            SELECT 1 FROM json_each(document) WHERE key IN ('findings', 'overview', 'reply', 'chapters')
                AND type = 'array' AND json_array_length(value) > 0
        )
        GROUP BY job_id
    )
    UPDATE jobs SET state = 'no_usable_answer', document = json_set(
        document, '$.state', 'no_usable_answer',
        '$.failure', json('{"kind": "EngineError", "key": "no_usable_answer", "values": {}}')
    )
    WHERE state = 'done' AND json_valid(document) AND EXISTS (
        SELECT 1 FROM unusable WHERE job_id = jobs.id
            AND number = (SELECT count(*) FROM results WHERE results.job_id = jobs.id)
    );
    """,
    # The trash (framelens.store.trash). It isn't a column of jobs, since SQLite would read a row's document to reach
    # that.
    """
    CREATE TABLE trash (
        job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        deleted TEXT NOT NULL
    );
    """,
    # Conversations in the trash. A row goes with what it is about, which no foreign key can say for two tables.
    """
    CREATE TABLE newer_trash (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        deleted TEXT NOT NULL
    );
    INSERT INTO newer_trash SELECT job_id, 'report', deleted FROM trash ORDER BY rowid;
    DROP TABLE trash;
    ALTER TABLE newer_trash RENAME TO trash;
    CREATE TRIGGER trashed_job AFTER DELETE ON jobs
    BEGIN DELETE FROM trash WHERE id = OLD.id; END;
    CREATE TRIGGER trashed_conversation AFTER DELETE ON conversations
    BEGIN DELETE FROM trash WHERE id = OLD.id; END;
    """,
    # Batches with their videos in order, and records about models. framelens.store.old_records reads what earlier
    # versions kept of both in files.
    """
    CREATE TABLE batches (
        id TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        folder TEXT NOT NULL,
        user_id TEXT NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX batches_by_time ON batches (created);
    CREATE TABLE batch_videos (
        batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (batch_id, place)
    );
    CREATE TABLE model_records (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (kind, name)
    );
    """,
)
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
        owner: Name of the process that works on it or did so last (framelens.store.fs_utils).
        priority: Waiting analyses with a higher priority run first.
        same: Deduplication key, "" while there is none.
        user_id: Id of the user to whom it belongs, "" for none; never changed after it was inserted.
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
    """Database in one file, shared by all threads.

    `folder` is the data folder. `get` and `recent` find what the user of the context may see; for others, a row of
    someone else isn't there. Rows in the trash are found by `get_trashed` alone.

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
                    self._connection = _connected(path)  # from now on the file isn't replaced (is_in_use)
                except sqlite3.Error:
                    if not release_reserve(path.parent):
                        raise
                    self._connection = _connected(path)  # so that something can be deleted
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
        """Store the images of an analysis by number, all or none."""
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
        """List the analyses in one of these states, the oldest first."""
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
            changed = self._connection.execute(
                "UPDATE jobs SET owner = ?, state = ?, wish = '' WHERE id = ? AND owner = ? AND state = ?"
                f" AND id {NOT_IN_TRASH}",
                (owner, state, row.id, row.owner, row.state),
            )
            return changed.rowcount == 1

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
            found = self._connection.execute("SELECT id, wish FROM jobs WHERE owner = ? AND wish <> ''", (owner,))
            requests: dict[str, str] = dict(found.fetchall())
            for job_id, request in requests.items():
                self._connection.execute("UPDATE jobs SET wish = '' WHERE id = ? AND wish = ?", (job_id, request))
            return requests

    def save_result(self, job_id: str, number: int, document: str) -> None:
        """Store a result of an analysis in place of the one with that number."""
        with self._guard():
            self._connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (job_id, number, document))

    def results(self, job_id: str) -> dict[int, str]:
        """Get the results of an analysis by number."""
        with self._guard():
            found = self._connection.execute(
                "SELECT number, document FROM results WHERE job_id = ? ORDER BY number", (job_id,)
            )
            return dict(found.fetchall())

    def keep_results(self, job_id: str, numbers: Iterable[int]) -> None:
        """Delete all results of an analysis but these."""
        kept = list(numbers)
        with self._guard():
            self._connection.execute(
                f"DELETE FROM results WHERE job_id = ? AND number NOT IN ({', '.join('?' * len(kept))})",
                (job_id, *kept),
            )

    def frames(self, job_id: str) -> dict[int, bytes]:
        """Get the images of an analysis by number."""
        with self._guard():
            found = self._connection.execute("SELECT number, jpeg FROM frames WHERE job_id = ?", (job_id,))
            return dict(found.fetchall())

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query; for other modules of framelens.store only."""
        with self._guard():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def changing(self, *, frees: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a transaction that is rolled back on an error; for other modules of framelens.store only.

        Args:
            frees: It deletes something, so it may use the room that is kept for a full disk.
        """
        if frees:
            release_reserve(self._path.parent)
        with self._guard(), self._transaction():
            yield self._connection

    @contextmanager
    def together(self, *, frees: bool = False) -> Iterator[None]:
        """Make one transaction of all that this thread stores within the context: a kill leaves all of it or nothing.

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
        with self._guard():
            found = self._connection.execute(f"SELECT {_COLUMNS} FROM jobs {tail}", values)
            return [Row(*row) for row in found.fetchall()]

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
    """Return what distinguishes this file from another one with its name; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def store_errors(path: Path, folder: Path) -> Iterator[None]:
    """Turn errors of a database into StorageErrors: "disk_full_now" if `folder` has no room, or "store_refused"."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if _is_full(error, folder):
            raise StorageError("disk_full_now", folder=str(folder), reason=str(error)) from error
        raise StorageError("store_refused", path=str(path), reason=str(error)) from error


def _is_full(error: sqlite3.Error | OSError, folder: Path) -> bool:
    """Return whether a full disk is the cause; SQLite calls it an I/O error where its shared memory doesn't fit."""
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    with suppress(OSError):
        is_short = shutil.disk_usage(folder).free < _SHARED_MEMORY_BYTES
        return code == sqlite3.SQLITE_FULL or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and is_short)
    return False


def _connected(path: Path) -> sqlite3.Connection:
    """Open the file with a write-ahead log, which keeps a shared lock on it until the connection is closed.

    Raises:
        StorageError: "store_newer": a newer version of FrameLens wrote it.
    """
    connection = sqlite3.connect(path, check_same_thread=False, timeout=_PATIENCE_SECONDS, isolation_level=None)
    try:
        _write_ahead(connection)
        if (version := _version(connection)) > len(MIGRATIONS):
            raise StorageError("store_newer", path=str(path), version=version, known=len(MIGRATIONS))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Migrate the database and set how it is used from then on; close the connection on an error."""
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = OFF")  # dropping a table would delete the rows that refer to it
        migrate(connection)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise


def is_in_use(path: Path) -> bool:
    """Return whether another connection has this database open, in whatever process.

    A connection with a write-ahead log keeps a shared lock. A file that is damaged can't be in use.
    """
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # before the log is used, it asks for the lock alone
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.DatabaseError as error:
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return False


def copy_store(path: Path, copy: Path) -> int:
    """Write a copy of a database that others may be using, as it is at one moment, and return its version.

    What was deleted isn't in it, nor sessions and the secret that signs cookies: who logs in gets new ones. Nor are
    confirmed downloads, which hold on this machine. A copy that couldn't be finished is left to the caller.

    Raises:
        StorageError: "store_newer" or "store_changing".
        sqlite3.Error: The database or the disk refuses.
    """
    copy.touch(mode=0o600)
    with opening(path.parent, _PATIENCE_SECONDS):
        connection = _connected(path)
    with closing(connection):
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        target.execute("PRAGMA secure_delete = ON")
        tables = {name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in tables & {"sessions", "secrets"}:
            target.execute(f"DELETE FROM {name}")
        if "model_records" in tables:
            target.execute("DELETE FROM model_records WHERE kind = 'downloads'")
        return _version(target)


def used_bytes(path: Path) -> int:
    """Return the size of a copy by `copy_store`, about."""
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS)) as connection:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def adopt_store(path: Path, moved: Mapping[str, str]) -> None:
    """Check a database that was copied, migrate it, and change folders in its paths.

    Args:
        path: The database, which no one else uses.
        moved: Beginnings of paths as they are in it, each with what it becomes.

    Raises:
        StorageError: "store_newer".
        sqlite3.Error: It is damaged.
    """
    with closing(sqlite3.connect(path)) as connection:
        if (found := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
    with closing(_connected(path)) as connection:
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


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the database to the newest version in one transaction; another process may be doing the same.

    A copy as it was before stays beside it, such as framelens.sqlite.v8.
    """
    if _version(connection) >= len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version, folder = _version(connection), _path_of(connection).parent
        if 0 < version < len(MIGRATIONS):
            _back_up(connection, version)
        for script in MIGRATIONS[version:]:  # another process may have been quicker
            for statement in _statements(script):
                connection.execute(statement)
        if is_first := version < old_records.VERSION:
            old_records.insert(connection, folder)
        connection.execute(f"PRAGMA user_version = {max(version, len(MIGRATIONS))}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if is_first:
        old_records.set_aside(folder)


def _back_up(connection: sqlite3.Connection, version: int) -> None:
    """Copy the database, in which a transaction has changed nothing yet. Without room for it, there is no copy."""
    path = _path_of(connection)
    copy = path.with_name(f"{path.name}.v{version}")
    scratch = copy.with_name(f"{copy.name}.new")
    try:
        for left in (scratch, scratch.with_name(f"{scratch.name}-journal")):  # of a process that was killed
            left.unlink(missing_ok=True)
        if shutil.disk_usage(path.parent).free < 2 * path.stat().st_size:
            _log.warning("%s is migrated without a backup, since the disk has no room for one", path)
            return
        scratch.touch(mode=0o600)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(scratch)) as target:
            source.backup(target)
        scratch.replace(copy)
    except (sqlite3.Error, OSError):
        _log.warning("%s is migrated without a backup", path, exc_info=True)
        scratch.unlink(missing_ok=True)


def _path_of(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; those of a trigger are part of it."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
