"""Audit log: who uploaded, analysed, deleted, switched, exported, imported, logged in, and so on, and when.

A plugin keeps it (`framelens.registry.Hooks.parts`, "audit"); without such a plugin nothing is recorded.
"""

from framelens import registry
from framelens.store.database import Store


class AuditLog:
    """The audit log of a store. Safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, action: str, object_id: str = "", object_name: str = "") -> None:
        """Record an action of the user of the context, after it was done: ids and names, never questions or answers."""
        for part in registry.placed("audit"):
            part.call(self._store, action, object_id, object_name)
