"""Migrations of the database: its versions as SQL scripts, and the step from a version to the newest version."""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from framelens.store import old_records

_log = logging.getLogger(__name__)
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
    # Library entries, made from the documents by framelens.jobs.library_entries whenever `state` is no longer the state
    # of
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
    # Columns that distinguish analyses of a video.
    """
    ALTER TABLE entries ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN question TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN start_seconds REAL NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN end_seconds REAL;
    """,
    # Conversations about analyses. `words` are the words of the name, or of question and answer, made by the tokenizer.
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
    # Conversations about any number of analyses, and their pictures, which are stored once. A conversation goes with
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
    # Owners, or ""; a webhook belongs to the owner of its key. A picture is stored once for all who have it.
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
    # "without_model" is the state of reports that were to have none, by Analysis.outcome from then on.
    """
    UPDATE jobs SET state = 'model_failed', document = json_set(document, '$.state', 'model_failed')
    WHERE state = 'without_model' AND json_valid(document)
        AND ifnull(json_extract(document, '$.request.use_model'), 1);
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the database to the newest version in a transaction; another process may be doing the same.

    A copy of the old version stays beside the database, such as framelens.sqlite.v8.
    """
    if schema_version(connection) >= len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version, folder = schema_version(connection), _path_of(connection).parent
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
    """Copy the database before a transaction's first change, unless the disk lacks room for a copy."""
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
    """Yield the statements of a script; a trigger's statements are part of the trigger."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the number of migrations that a database has had; 0 for a new database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
