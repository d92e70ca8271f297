"""Audit log: who uploaded, analysed, deleted, switched, exported, shared, imported, logged in, and so on, and when.

It has ids and names of objects, and never a question or an answer. The newest entries are kept.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal, get_args

from framelens.core.errors import StorageError
from framelens.core.files import single_line
from framelens.core.roles import current_user
from framelens.store.database import Store

_log = logging.getLogger(__name__)
MOST_ENTRIES = 100_000
"""Entries that are kept, some 15 MB."""
_MOST_CHARACTERS = 300  # in a name
Action = Literal[
    "upload",
    "analyse",
    "trash",
    "untrash",
    "delete",
    "switch",
    "export",
    "import",
    "login",
    "logout",
    "login_failed",
    "account_added",
    "account_removed",
    "account_changed",
    "key_created",
    "key_revoked",
    "backup",
    "restore",
]


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
    action: Action
    object_id: str
    object_name: str


class AuditLog:
    """The audit log in a store. Safe to use from several threads and processes."""

    ACTIONS: ClassVar[tuple[Action, ...]] = get_args(Action)
    """All actions that it records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, action: Action, object_id: str = "", object_name: str = "") -> None:
        """Record an action of the user of the context, after it was done. Never raises: a full disk is logged."""
        user, now = current_user(), datetime.now(UTC).isoformat(timespec="milliseconds")
        shown = single_line(object_name)[:_MOST_CHARACTERS]
        try:
            with self._store.changing() as connection:
                added = connection.execute(
                    "INSERT INTO audit (time, user_id, user_name, action, object_id, object_name)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (now, user.id, user.name, action, object_id, shown),
                )
                oldest = (added.lastrowid or 0) - MOST_ENTRIES
                connection.execute("DELETE FROM audit WHERE number <= ?", (oldest,))
        except StorageError:
            _log.exception("not recorded: %s %s by %r", action, object_id, user.id)

    def entries(self, *, limit: int, actions: Sequence[str] = (), user: str = "") -> list[AuditEntry]:
        """List the newest entries, the newest first.

        Args:
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
        rows = self._store.select(
            "SELECT time, user_id, user_name, action, object_id, object_name FROM audit"
            f" WHERE {' AND '.join(clauses)} ORDER BY number DESC LIMIT ?",
            *values,
            limit,
        )
        return [AuditEntry(*row) for row in rows]
