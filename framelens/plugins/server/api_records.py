"""Records of the HTTP API: keys, submitted jobs with their source, webhooks and their messages.

A job's record begins before the job is in the queue, while its video is fetched, and ends with it. The document of a
submission is not interpreted here.
"""

import sqlite3
from dataclasses import astuple, dataclass, replace
from typing import get_args

from framelens import InputError
from framelens.plugin.analyses import AT_WORK, Outcome
from framelens.plugin.storage import NOT_IN_TRASH, Store, visible

_AT_WORK = ("fetching", *AT_WORK)
_ENDS = (*get_args(Outcome), "failed", "cancelled")
_KEYS = "id, name, sha256, created, per_minute, jobs, account_id"
_SUBMISSIONS = "job_id, key_id, created, state, owner, document, reason, user_id"
_DELIVERIES = "id, webhook_id, job_id, state, attempts, due, reason"


@dataclass(frozen=True)
class ApiKeyRow:
    """A key of a program.

    Attributes:
        sha256: Hash of the key in hex digits.
        per_minute: Requests that it may send in a minute.
        jobs: Its jobs that may be fetched, wait or run at a time.
        account_id: The account for which its requests run, or "".
    """

    id: str
    name: str
    sha256: str
    created: str
    per_minute: int
    jobs: int
    account_id: str = ""


@dataclass(frozen=True)
class SubmissionRow:
    """A job that a program has submitted.

    Attributes:
        state: "fetching" while its video is fetched, "failed" or "cancelled" if that did not end well; from "queued" on
            the job itself has the state.
        owner: Name of the process that fetches the video.
        document: The request and the source.
        reason: Error of the fetch as JSON, or "".
        user_id: Id of the user to whom the job will belong, or "".
    """

    job_id: str
    key_id: str
    created: str
    state: str
    owner: str
    document: str
    reason: str = ""
    user_id: str = ""


@dataclass(frozen=True)
class WebhookRow:
    """An address that is informed when a job of its key has ended; `secret` signs what is sent."""

    id: str
    key_id: str
    url: str
    secret: str
    created: str


@dataclass(frozen=True)
class DeliveryRow:
    """A message to a webhook.

    Attributes:
        state: "waiting", "delivered" or "failed".
        due: Time of the next attempt in seconds since 1970.
        reason: Why the last attempt failed.
    """

    id: str
    webhook_id: str
    job_id: str
    state: str = "waiting"
    attempts: int = 0
    due: float = 0.0
    reason: str = ""


class ApiStore:
    """The records in a store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- keys

    def add_key(self, key: ApiKeyRow) -> None:
        """Store a key.

        Raises:
            InputError: "key_name_taken".
        """
        with self._store.changing() as connection:
            if connection.execute("SELECT 1 FROM api_keys WHERE name = ?", (key.name,)).fetchone():
                raise InputError("key_name_taken", name=key.name)
            connection.execute(f"INSERT INTO api_keys ({_KEYS}) VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(key))

    def keys(self) -> list[ApiKeyRow]:
        """List all keys, the oldest first."""
        return [ApiKeyRow(*row) for row in self._store.select(f"SELECT {_KEYS} FROM api_keys ORDER BY rowid")]

    def has_key(self, key_id: str) -> bool:
        """Return whether there is a key with this id: it has not been revoked."""
        return bool(self._store.select("SELECT 1 FROM api_keys WHERE id = ?", key_id))

    def delete_key(self, name: str) -> bool:
        """Delete a key with its webhooks; its jobs stay. Return whether it existed."""
        with self._store.changing() as connection:
            return connection.execute("DELETE FROM api_keys WHERE name = ?", (name,)).rowcount > 0

    # ---- submissions

    def add_submission(self, row: SubmissionRow, most: int) -> bool:
        """Store a submission unless `most` jobs of its key are unfinished; return whether it was stored.

        A message to each webhook of the key is stored with it.
        """
        with self._store.changing() as connection:
            ((count,),) = connection.execute(
                "SELECT count(*) FROM submissions LEFT JOIN jobs ON jobs.id = job_id"
                f" WHERE key_id = ? AND ifnull(jobs.state, submissions.state) IN {_AT_WORK} AND job_id {NOT_IN_TRASH}",
                (row.key_id,),
            )
            if count >= most:
                return False
            _insert(connection, row)
        return True

    def move_submission(self, job_id: str, known_id: str) -> None:
        """Assign a submission to a job that exists already, without a second message to any webhook about that job."""
        with self._store.changing() as connection:
            row = connection.execute(f"SELECT {_SUBMISSIONS} FROM submissions WHERE job_id = ?", (job_id,)).fetchone()
            connection.execute("DELETE FROM submissions WHERE job_id = ?", (job_id,))
            if row:
                _insert(connection, replace(SubmissionRow(*row), job_id=known_id, state="queued"))

    def end_fetch(self, job_id: str, state: str, reason: str = "") -> None:
        """Store that a video has been fetched ("queued"), or why it has not ("failed" or "cancelled")."""
        with self._store.changing() as connection:
            connection.execute(
                "UPDATE submissions SET state = ?, reason = ? WHERE job_id = ? AND state = 'fetching'",
                (state, reason, job_id),
            )

    def take_over(self, row: SubmissionRow, owner: str) -> bool:
        """Let a process fetch the video, unless another process was quicker."""
        with self._store.changing() as connection:
            changed = connection.execute(
                "UPDATE submissions SET owner = ? WHERE job_id = ? AND owner = ? AND state = 'fetching'",
                (owner, row.job_id, row.owner),
            )
            return changed.rowcount == 1

    def submission(self, job_id: str) -> SubmissionRow | None:
        """Get the submission of a job; None if it doesn't exist or the user may not see it."""
        clause, values = visible("user_id")
        tail = f"WHERE job_id = ? AND job_id {NOT_IN_TRASH} AND {clause}"
        return next(iter(self._submissions(tail, job_id, *values)), None)

    def fetches(self, *states: str) -> list[SubmissionRow]:
        """List the submissions that the user may see, without a job and in these states, the newest first."""
        marks = ", ".join("?" * len(states))
        clause, values = visible("user_id")
        return self._submissions(f"WHERE state IN ({marks}) AND {clause} ORDER BY rowid DESC", *states, *values)

    def delete_submission(self, job_id: str) -> None:
        """Delete a submission and the messages about it; a job's submission goes with the job."""
        with self._store.changing() as connection:
            connection.execute("DELETE FROM submissions WHERE job_id = ?", (job_id,))

    def _submissions(self, tail: str, *values: str) -> list[SubmissionRow]:
        rows = self._store.select(f"SELECT {_SUBMISSIONS} FROM submissions {tail}", *values)
        return [SubmissionRow(*row) for row in rows]

    # ---- webhooks

    def add_webhook(self, row: WebhookRow, most: int) -> None:
        """Store a webhook.

        Raises:
            InputError: "webhooks_many": its key has the largest number of webhooks.
        """
        with self._store.changing() as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM webhooks WHERE key_id = ?", (row.key_id,))
            if count >= most:
                raise InputError("webhooks_many", most=most)
            connection.execute("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?)", astuple(row))

    def webhooks(self, key_id: str) -> list[WebhookRow]:
        """List the webhooks of a key, the oldest first."""
        rows = self._store.select("SELECT * FROM webhooks WHERE key_id = ? ORDER BY rowid", key_id)
        return [WebhookRow(*row) for row in rows]

    def webhook(self, webhook_id: str, key_id: str) -> WebhookRow:
        """Get a webhook of a key.

        Raises:
            InputError: "webhook_unknown".
        """
        rows = self._store.select("SELECT * FROM webhooks WHERE id = ? AND key_id = ?", webhook_id, key_id)
        if not rows:
            raise InputError("webhook_unknown", id=webhook_id[:64])
        return WebhookRow(*rows[0])

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with the messages to it."""
        with self._store.changing() as connection:
            connection.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

    # ---- messages

    def deliveries(self, webhook_id: str, limit: int) -> list[DeliveryRow]:
        """List the messages to a webhook, the newest first."""
        rows = self._store.select(
            f"SELECT {_DELIVERIES} FROM deliveries WHERE webhook_id = ? AND job_id {NOT_IN_TRASH}"
            " ORDER BY rowid DESC LIMIT ?",
            webhook_id,
            limit,
        )
        return [DeliveryRow(*row) for row in rows]

    def has_waiting(self) -> bool:
        """Return whether a message waits, for the end of its job or for another attempt."""
        return bool(self._store.select("SELECT 1 FROM deliveries WHERE state = 'waiting' LIMIT 1"))

    def due(self, now: float) -> list[tuple[DeliveryRow, WebhookRow, str]]:
        """List the messages due now about jobs that have ended, each with its webhook and the state of its job."""
        columns = ", ".join(f"deliveries.{name}" for name in _DELIVERIES.split(", "))
        rows = self._store.select(
            f"SELECT {columns}, webhooks.*, ifnull(jobs.state, submissions.state) FROM deliveries"
            " JOIN webhooks ON webhooks.id = webhook_id JOIN submissions USING (job_id)"
            " LEFT JOIN jobs ON jobs.id = job_id WHERE deliveries.state = 'waiting' AND due <= ?"
            f" AND ifnull(jobs.state, submissions.state) IN {_ENDS} AND deliveries.job_id {NOT_IN_TRASH} ORDER BY due",
            now,
        )
        return [(DeliveryRow(*row[:7]), WebhookRow(*row[7:12]), row[12]) for row in rows]

    def take_delivery(self, row: DeliveryRow, until: float) -> bool:
        """Keep others from sending a message until this time, unless another process was quicker."""
        with self._store.changing() as connection:
            changed = connection.execute(
                "UPDATE deliveries SET due = ? WHERE id = ? AND due = ? AND state = 'waiting'", (until, row.id, row.due)
            )
            return changed.rowcount == 1

    def save_delivery(self, row: DeliveryRow) -> None:
        """Store the outcome of an attempt."""
        with self._store.changing() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, due = ?, reason = ? WHERE id = ?",
                (row.state, row.attempts, row.due, row.reason, row.id),
            )


def _insert(connection: sqlite3.Connection, row: SubmissionRow) -> None:
    marks = ", ".join("?" * 8)
    connection.execute(f"INSERT OR IGNORE INTO submissions ({_SUBMISSIONS}) VALUES ({marks})", astuple(row))
    connection.execute(  # a single message about the end of a job, however often the same is submitted
        "INSERT INTO deliveries (id, webhook_id, job_id)"
        " SELECT 'msg_' || lower(hex(randomblob(12))), id, :job FROM webhooks WHERE key_id = :key"
        " AND id NOT IN (SELECT webhook_id FROM deliveries WHERE job_id = :job)",
        {"job": row.job_id, "key": row.key_id},
    )
