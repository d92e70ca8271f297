"""Batches in the database: a document of each batch, and a document of each of its videos in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from framelens.store.database import Store, visible


@dataclass(frozen=True)
class BatchRow:
    """A stored batch.

    Attributes:
        folder: Folder of results, or "".
        user_id: Id of the user to whom it belongs, or "".
        videos: The documents of its videos.
    """

    id: str
    created: str
    folder: str
    user_id: str
    document: str
    videos: tuple[str, ...] = ()


class BatchStore:
    """The batches of a store, those that the user of the context may see. Every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, row: BatchRow) -> BatchRow:
        """Store a batch; with a folder, in place of the user's earlier batch on that folder, whose id it gets."""
        with self._store.changing() as connection:
            same = "SELECT id FROM batches WHERE folder = ? AND folder <> '' AND user_id = ?"
            if earlier := connection.execute(same, (row.folder, row.user_id)).fetchone():
                row = replace(row, id=earlier[0])
            connection.execute("DELETE FROM batches WHERE id = ?", (row.id,))
            values = (row.id, row.created, row.folder, row.user_id, row.document)
            connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", values)
            videos = ((row.id, place, document) for place, document in enumerate(row.videos))
            connection.executemany("INSERT INTO batch_videos VALUES (?, ?, ?)", videos)
        return row

    def save_video(self, batch_id: str, place: int, document: str) -> None:
        """Store a video at this place, replacing an earlier video there, or add it."""
        with self._store.changing() as connection:
            connection.execute("INSERT OR REPLACE INTO batch_videos VALUES (?, ?, ?)", (batch_id, place, document))

    def get(self, batch_id: str) -> BatchRow | None:
        """Get a batch, or None."""
        return next(iter(self._rows("id = ?", batch_id, limit=1)), None)

    def recent(self, limit: int) -> list[BatchRow]:
        """List the newest batches first."""
        return self._rows("1", limit=limit)

    def _rows(self, condition: str, *values: str, limit: int) -> list[BatchRow]:
        clause, owner = visible("user_id")
        query = f"SELECT * FROM batches WHERE {condition} AND {clause} ORDER BY created DESC LIMIT ?"
        videos = "SELECT document FROM batch_videos WHERE batch_id = ? ORDER BY place"
        found = [BatchRow(*row) for row in self._store.select(query, *values, *owner, limit)]
        return [
            replace(row, videos=tuple(document for (document,) in self._store.select(videos, row.id))) for row in found
        ]
