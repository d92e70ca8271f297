"""Tables of the database, and the version that a file has.

A folder of a version from before the first release is refused, never changed.
"""

import sqlite3
from collections.abc import Iterator

VERSION = 3
"""Version of the tables, SQLite's user_version of a file."""
_APPLICATION_ID = 0x464C454E
"""SQLite's application_id of our files, "FLEN"; files from before the first release have none."""
_STEPS = {
    1: """
-- What people changed in reports: entries of a log that only grows (framelens.core.corrections).
CREATE TABLE corrections (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
);
""",
    2: """
-- Whether a conversation is about the whole library, which its turns say (framelens.questions.conversation).
ALTER TABLE conversations ADD COLUMN everywhere INTEGER NOT NULL DEFAULT 0;
UPDATE conversations SET everywhere = 1 WHERE id IN
    (SELECT conversation_id FROM turns WHERE instr(document, '"everywhere":true'));
""",
}
"""Statements by the version that they follow; a new file has all of them."""
_TABLES = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    priority INTEGER NOT NULL DEFAULT 0,
    wish TEXT NOT NULL DEFAULT '',
    same TEXT NOT NULL DEFAULT '',
    user_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX jobs_by_time ON jobs (created DESC);
CREATE INDEX jobs_by_same ON jobs (same) WHERE same <> '';
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_user ON jobs (user_id);
CREATE TABLE frames (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    jpeg BLOB NOT NULL,
    PRIMARY KEY (job_id, number)
);
CREATE TABLE results (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- Library entries, made from the documents by framelens.jobs.stored.library_entries whenever `state` is no longer the
-- state of the job or `form` is not the newest. A number is never reused: it is the key of the words.
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
    path TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    question TEXT NOT NULL DEFAULT '',
    start_seconds REAL NOT NULL DEFAULT 0,
    end_seconds REAL
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

-- Conversations about any number of analyses, and their pictures, which are stored once. A conversation goes with the
-- last of its analyses, a picture with the last conversation that has it. `words` are the words of the name, or of
-- question and answer, made by the tokenizer.
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    changed TEXT NOT NULL,
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    current INTEGER NOT NULL,
    words TEXT NOT NULL,
    user_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX conversations_by_user ON conversations (user_id);
CREATE TABLE turns (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    words TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (conversation_id, number)
);
CREATE TABLE conversation_jobs (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, place)
);
CREATE INDEX conversation_jobs_by_job ON conversation_jobs (job_id);
CREATE TABLE pictures (
    sha256 TEXT PRIMARY KEY,
    added TEXT NOT NULL,
    jpeg BLOB NOT NULL
);
CREATE TABLE picture_users (
    sha256 TEXT NOT NULL REFERENCES pictures (sha256) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    PRIMARY KEY (sha256, user_id)
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

-- Accounts, their sessions, and who did what.
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
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    action TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL
);

-- Keys, submissions and webhooks of the HTTP API. A submission goes with its job, and the messages with both.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    created TEXT NOT NULL,
    per_minute INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    account_id TEXT NOT NULL DEFAULT ''
);
CREATE TRIGGER keys_of_account AFTER DELETE ON accounts
BEGIN DELETE FROM api_keys WHERE account_id = OLD.id; END;
CREATE TABLE submissions (
    job_id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    created TEXT NOT NULL,
    state TEXT NOT NULL,
    owner TEXT NOT NULL,
    document TEXT NOT NULL,
    reason TEXT NOT NULL,
    user_id TEXT NOT NULL DEFAULT ''
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

-- The trash (framelens.store.trash). It isn't a column of jobs, since SQLite would read a row's document to reach that.
-- A row goes with what it is about, which no foreign key can say for two tables.
CREATE TABLE trash (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    deleted TEXT NOT NULL
);
CREATE TRIGGER trashed_job AFTER DELETE ON jobs
BEGIN DELETE FROM trash WHERE id = OLD.id; END;
CREATE TRIGGER trashed_conversation AFTER DELETE ON conversations
BEGIN DELETE FROM trash WHERE id = OLD.id; END;

-- Batches with their videos in order, and records about models.
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
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables that a file lacks, in a transaction; another process may be doing the same."""
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if (version := version_of(connection)) != VERSION:
            for statement in _statements(version):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file's tables: 0 for a new file, -1 for one from before the first release."""
    version, application = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("user_version", "application_id")
    )
    return -1 if version and application != _APPLICATION_ID else version


def _statements(version: int) -> Iterator[str]:
    """Yield the statements for a file of this version, 0 for a new one; a trigger's statements are part of it."""
    steps = (text for before, text in _STEPS.items() if before >= version)
    statement = ""
    for piece in "".join((*([] if version else [_TABLES]), *steps)).split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
