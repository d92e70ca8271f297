"""Audit log: ids and names of objects that users acted on, and never a question or an answer.

The newest entries are kept.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from framelens import StorageError
from framelens.plugin import current_user
from framelens.plugin.storage import Store
from framelens.plugin.texts import single_line

_log = logging.getLogger(__name__)
MOST_ENTRIES = 100_000
"""Entries that are kept, some 15 MB."""
_MOST_CHARACTERS = 300  # in a name
ACTIONS = (
    *("upload", "analyse", "trash", "untrash", "delete", "switch", "export", "correct", "import", "login"),
    *("logout", "login_failed", "account_added", "account_removed", "account_changed", "key_created", "key_revoked"),
    *("backup", "restore"),
)


@dataclass(frozen=True)
class AuditEntry:
    """An action of a user.

    Attributes:
        time: ISO time in UTC.
        user_id: Id of the user, "" without accounts and for the command line.
        object_id: Id of the object, or "".
        object_name: Its name as shown to users.
    """

    time: str
    user_id: str
    user_name: str
    action: str
    object_id: str
    object_name: str


def record(store: Store, action: str, object_id: str, object_name: str) -> None:
    """Record an action of the user of the context. Never raises: a full disk is logged."""
    user, now = current_user(), datetime.now(UTC).isoformat(timespec="milliseconds")
    values = (now, user.id, user.name, action, object_id, single_line(object_name)[:_MOST_CHARACTERS])
    try:
        with store.changing() as connection:
            added = connection.execute(
                "INSERT INTO audit (time, user_id, user_name, action, object_id, object_name)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            oldest = (added.lastrowid or 0) - MOST_ENTRIES
            connection.execute("DELETE FROM audit WHERE number <= ?", (oldest,))
    except StorageError:
        _log.exception("not recorded: %s %s by %r", action, object_id, user.id)


def entries(store: Store, *, limit: int, actions: Sequence[str] = (), user: str = "") -> list[AuditEntry]:
    """List the newest entries, the newest first.

    Args:
        store: The store.
        limit: Number of entries at most.
        actions: Only these actions; empty for all.
        user: Id or name of a user whose entries alone are listed; "" for all.
    """
    clauses, values = ["1"], list[object]()
    if actions:
        clauses.append(f"action IN ({', '.join('?' * len(actions))})")
        values += actions
    if user:
        clauses.append("(user_id = ? OR user_name = ?)")
        values += [user, user]
    rows = store.select(
        "SELECT time, user_id, user_name, action, object_id, object_name FROM audit"
        f" WHERE {' AND '.join(clauses)} ORDER BY number DESC LIMIT ?",
        *values,
        limit,
    )
    return [AuditEntry(*row) for row in rows]
