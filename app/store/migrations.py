"""Migrations of the database schema, only ever appended: step n takes a database from version n - 1 to version n."""

from __future__ import annotations

import sqlite3

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
    # Library entries, made from the documents by app.jobs.search_index whenever `state` is no longer that of the job or
    # `form` is not the newest. A number is never reused: it is the key of the words.
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
)


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the database to the newest version in one transaction; another process may be doing the same."""
    if _version(connection) >= len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(connection) :]:  # another process may have been quicker
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(_version(connection), len(MIGRATIONS))}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
