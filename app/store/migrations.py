"""The schema, as steps that are only ever appended: step n brings a database of version n - 1 to version n."""

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
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database up to date, one transaction a step."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
