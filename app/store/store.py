"""Keeps analyses in one SQLite file: a document and pictures for each. What a document says is not its business."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import StorageError
from app.store.migrations import migrate


@dataclass(frozen=True)
class Row:
    """One stored analysis. `owner_pid` is the process that worked on it last."""

    id: str
    created: str
    name: str
    state: str
    owner_pid: int
    document: str


class Store:
    """One file, shared by all threads. Raises StorageError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._guard():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False, timeout=30, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            migrate(self._connection)

    def save(self, row: Row) -> None:
        """Insert the analysis or replace what was stored of it; its pictures stay."""
        with self._guard():
            self._connection.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " state = excluded.state, owner_pid = excluded.owner_pid, document = excluded.document",
                (row.id, row.created, row.name, row.state, row.owner_pid, row.document),
            )

    def save_frames(self, job_id: str, frames: Iterable[tuple[int, bytes]]) -> None:
        """Store the pictures of an analysis by number, all or none."""
        with self._guard(), self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?, ?)", ((job_id, number, jpeg) for number, jpeg in frames)
            )

    def get(self, job_id: str) -> Row | None:
        """The analysis, or None."""
        return next(iter(self._rows("WHERE id = ?", job_id)), None)

    def recent(self, limit: int) -> list[Row]:
        """The newest first."""
        return self._rows("ORDER BY created DESC, rowid DESC LIMIT ?", limit)

    def frames(self, job_id: str) -> dict[int, bytes]:
        """The pictures of an analysis by number."""
        with self._guard():
            found = self._connection.execute("SELECT number, jpeg FROM frames WHERE job_id = ?", (job_id,))
            return dict(found.fetchall())

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _rows(self, tail: str, value: str | int) -> list[Row]:
        with self._guard():
            found = self._connection.execute(
                f"SELECT id, created, name, state, owner_pid, document FROM jobs {tail}", (value,)
            )
            return [Row(*row) for row in found.fetchall()]

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise StorageError("store_refused", path=str(self._path), reason=str(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
